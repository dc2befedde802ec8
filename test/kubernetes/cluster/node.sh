#!/bin/sh
# The first process of a node, in namespaces of its own for processes, mounts and the network: when it is killed, all of the node is gone at
# once, as a machine that lost power. usage: node.sh FOLDER PROGRAMS NAME ADDRESS
set -eu
folder=$1 programs=$2 name=$3 address=$4

mount -t proc proc /proc
# What a machine forgets when it is switched off, and what must not come to lie on the machine underneath.
for place in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$place"; done
echo 1 >/proc/sys/net/ipv4/ip_forward

containerd --config "$folder/containerd.toml" >>"$folder/containerd.log" 2>&1 &
until ctr --address "$folder/containerd.sock" version >/dev/null 2>&1; do sleep 0.05; done
"$programs/kube-proxy" --config "$folder/proxy.json" >>"$folder/proxy.log" 2>&1 &
"$programs/kubelet" --config "$folder/kubelet.json" --kubeconfig "$folder/kubelet.kubeconfig" --root-dir "$folder/kubelet" \
  --hostname-override "$name" --node-ip "$address" >>"$folder/kubelet.log" 2>&1 &
# Waits for them, and for whatever processes lose their parents.
wait
