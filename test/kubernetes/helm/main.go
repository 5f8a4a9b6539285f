// Prints what Helm would install of a chart, made by Helm's own code: helm CHART [KEY=VALUE,...]...
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/strvals"
)

// The definitions of the chart and its templates; values are given as for --set.
func render(arguments []string) error {
	if len(arguments) < 1 {
		return fmt.Errorf("usage: helm CHART [KEY=VALUE,...]...")
	}
	chart, err := loader.Load(arguments[0])
	if err != nil {
		return err
	}
	given := map[string]interface{}{}
	for _, set := range arguments[1:] {
		if err := strvals.ParseInto(set, given); err != nil {
			return err
		}
	}
	release := chartutil.ReleaseOptions{Name: "test", Namespace: "mayfly", Revision: 1, IsInstall: true}
	values, err := chartutil.ToRenderValues(chart, given, release, nil)
	if err != nil {
		return err
	}
	files, err := engine.Render(chart, values)
	if err != nil {
		return err
	}
	for _, definition := range chart.CRDObjects() {
		files[" "+definition.Name] = string(definition.File.Data)
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if strings.HasSuffix(strings.TrimSpace(name), ".yaml") && strings.TrimSpace(files[name]) != "" {
			fmt.Fprintf(os.Stdout, "---\n%s\n", files[name])
		}
	}
	return nil
}

func main() {
	if err := render(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
