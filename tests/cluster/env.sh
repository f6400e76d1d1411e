# Shared by `build`, `up` and `down`.
# shellcheck shell=bash disable=SC2034 # used by those who source it
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
HERE=$ROOT/tests/cluster
# kube (kubectl, helm), traefik, pause and the Gateway API, made by `build`: one folder for each state of their sources
BIN=$CACHE/cluster-$(cd "$HERE" && find build kube ingress pause -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c -12)
STATE=${CLUSTER_STATE:-$CACHE/state/cluster}
PKI=$STATE/pki RUN=$STATE/run LOG=$STATE/log

NODE=node0
API=https://$NODE_IP:6443     # on the node's address: an endpoint's may not be 127.x
POD_CIDR=198.18.0.0/24
SERVICE_CIDR=198.19.0.0/24
SERVICE_IP=198.19.0.1         # Service "kubernetes"
DNS_IP=198.19.0.10            # Service "kube-dns"
BRIDGE=kube-br                # pod bridge, made by the CNI plugin
INGRESS=127.0.0.1:18080
INGRESS_TLS=127.0.0.1:18443   # listeners of Gateways that have a certificate

export KUBECONFIG=$PKI/admin.kubeconfig
export PATH=$BIN:$PATH # kubectl and helm
ctr() { command ctr -a "$RUN/containerd.sock" -n k8s.io "$@"; }
