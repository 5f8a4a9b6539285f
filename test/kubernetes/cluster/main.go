// One program for the servers of the test cluster, each the real one: etcd, kube-apiserver and kube-controller-manager.
// They share most of their code, so that one program is linked in a third of the time of three.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: cluster etcd|kube-apiserver|kube-controller-manager [flags]")
		os.Exit(2)
	}
	server := os.Args[1]
	os.Args = append([]string{server}, os.Args[2:]...)
	switch server {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	default:
		fmt.Fprintf(os.Stderr, "cluster: no server is named %q\n", server)
		os.Exit(2)
	}
}
