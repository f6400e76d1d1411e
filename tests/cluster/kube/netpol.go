package main

// `kube netpol KUBECONFIG NODE` enforces NetworkPolicies: `up` sends the first packet of every
// connection from or to a pod to a queue of the kernel, and here it is passed on or dropped.
// The judge is kube-network-policies; its own nftables rules want nft_queue, which not every kernel has.

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func netpol() {
	if len(os.Args) != 3 {
		must(0, fmt.Errorf("want KUBECONFIG NODE"))
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	client := must(kubernetes.NewForConfig(must(clientcmd.BuildConfigFromFlags("", os.Args[1]))))
	factory := informers.NewSharedInformerFactory(client, 0)
	judge := must(networkpolicy.NewController(client, factory.Networking().V1().NetworkPolicies(), factory.Core().V1().Namespaces(),
		factory.Core().V1().Pods(), nil, nil, nil, nil, networkpolicy.Config{FailOpen: true, QueueID: 100, NodeName: os.Args[2]}))
	factory.Start(ctx.Done())
	must(0, judge.Run(ctx))
}
