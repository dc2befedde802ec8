/** Names of clusters, repos, branches, pipelines and inputs: they become etcd keys, folder names and Kubernetes names. */
export const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** What such a name looks like, for people. */
export const NAME_FORM = "use 1 to 63 lower-case letters, digits and '-', not at the ends";
