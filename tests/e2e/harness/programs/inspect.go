// inspect CERTIFICATE HOST…: what Go's parser reads, as JSON, and whether it verifies with itself
// as the root for each of the hosts.
package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
)

func main() {
	bytes, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	block, rest := pem.Decode(bytes)
	if block == nil || len(rest) != 0 {
		panic("not one PEM block")
	}
	read, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(read)
	for _, host := range os.Args[2:] {
		options := x509.VerifyOptions{Roots: roots, DNSName: host}
		if _, err := read.Verify(options); err != nil {
			fmt.Println(host, err)
			os.Exit(1)
		}
	}
	addresses := []string{}
	for _, address := range read.IPAddresses {
		addresses = append(addresses, address.String())
	}
	json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"version": read.Version, "names": read.DNSNames, "addresses": addresses,
		"ca": read.IsCA, "constraints": read.BasicConstraintsValid,
		"usage": int(read.KeyUsage), "extended": len(read.ExtKeyUsage) == 1 &&
			read.ExtKeyUsage[0] == x509.ExtKeyUsageServerAuth,
		"serial_bits": read.SerialNumber.BitLen(), "serial_sign": read.SerialNumber.Sign(),
		"signature": read.SignatureAlgorithm.String(), "key": read.PublicKeyAlgorithm.String(),
		"unhandled": len(read.UnhandledCriticalExtensions),
	})
}
