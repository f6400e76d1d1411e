// Command kube is one static binary that is a whole Kubernetes control plane
// and node with its clients: the program to run is chosen by the name it is
// called by (a link) or by the first argument, e.g. `kube kubelet --config ...`.
//
// One binary instead of ten means one link step and every package compiled
// once: it builds about as fast as kube-apiserver alone.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	_ "time/tzdata"

	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	helm "helm.sh/helm/v4/pkg/cmd"
	helmkube "helm.sh/helm/v4/pkg/kube"
	genericserver "k8s.io/apiserver/pkg/server"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kubeproxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	metricsserver "sigs.k8s.io/metrics-server/cmd/metrics-server/app"
)

// server programs, all of them cobra commands from Kubernetes itself
var servers = map[string]func() *cobra.Command{
	"kube-apiserver":          func() *cobra.Command { return apiserver.NewAPIServerCommand() },
	"kube-controller-manager": func() *cobra.Command { return controllermanager.NewControllerManagerCommand() },
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kube-proxy":              func() *cobra.Command { return kubeproxy.NewProxyCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"metrics-server": func() *cobra.Command {
		return metricsserver.NewMetricsServerCommand(genericserver.SetupSignalHandler())
	},
}

// everything else, called with os.Args[0] set to its name
var others = map[string]func(){
	"etcd":    func() { etcdmain.Main(os.Args) },
	"coredns": coremain.Run,
	"kubectl": func() {
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
	},
	"helm": func() {
		helmkube.ManagedFieldsManager = "helm"
		cmd := must(helm.NewRootCmd(os.Stdout, os.Args[1:], helm.SetupLogging))
		if err := cmd.Execute(); err != nil {
			if e, ok := errors.AsType[helm.CommandError](err); ok {
				os.Exit(e.ExitCode)
			}
			os.Exit(1)
		}
	},
	"pki":    pki,
	"rmpods": rmpods,
	"netpol": netpol,
}

func main() {
	name := filepath.Base(os.Args[0])
	if servers[name] == nil && others[name] == nil && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		name = os.Args[0]
	}
	switch {
	case servers[name] != nil:
		os.Exit(cli.Run(servers[name]()))
	case others[name] != nil:
		others[name]()
	default:
		names := append(slices.Collect(maps.Keys(servers)), slices.Collect(maps.Keys(others))...)
		slices.Sort(names)
		fmt.Fprintln(os.Stderr, "usage: kube PROGRAM ...; one of", names)
		os.Exit(2)
	}
}
