// etcd in the version of go.mod: `go install` refuses its own module for the replace directives in it.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
