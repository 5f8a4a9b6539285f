//go:build tools

// Package tools pins the S3 server that the test of buckets builds; nothing of the product uses Go.
package tools

import (
	_ "github.com/versity/versitygw/cmd/versitygw"
)
