//go:build tools

// Package tools pins the programs that the protocol conformance test builds; nothing of the product uses Go.
package tools

import (
	_ "connectrpc.com/conformance/cmd/connectconformance"
)
