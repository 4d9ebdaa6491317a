// example HOST PORT: fetches https://HOST:PORT/ and says how the peer was judged.
package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"trustd.test/trust"
)

func fetch(url string) error {
	store, err := trust.Open("")
	if err != nil {
		return err
	}
	client := &http.Client{Transport: store.Transport(nil)}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(os.Stdout, answer.Body)
	return err
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: example HOST PORT")
		os.Exit(2)
	}
	err := fetch("https://" + os.Args[1] + ":" + os.Args[2] + "/")
	var refused *trust.Error
	if errors.As(err, &refused) && refused.Status.Untrusted() {
		fmt.Fprintf(os.Stderr, "%s: %s\n", refused.Status, refused)
		os.Exit(3)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
