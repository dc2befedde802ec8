// Loaded when a cluster is started, and only then. Of a package that is loaded so a bundle would hold everything, its tests too.
export { LocalCluster } from "@sheaf/provision";
