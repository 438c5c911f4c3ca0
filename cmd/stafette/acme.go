package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"stafette/internal/public/hostcert"
)

// newHostCertificates makes the issuer of certificates for tenants' own hosts of links;
// nil where it is off.
func (p *platform) newHostCertificates() (*hostcert.Issuer, error) {
	c := p.config.ACME
	if c.Directory == "" || p.tracking.hosts == nil {
		return nil, nil //nolint:nilnil // off is no error
	}
	host, text, err := net.SplitHostPort(p.config.HTTP.Listen)
	if err != nil {
		return nil, fmt.Errorf("certificates of own hosts: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("certificates of own hosts: %w", err)
	}
	var roots *x509.CertPool
	if c.Roots != "" {
		pem, err := os.ReadFile(c.Roots)
		if err != nil {
			return nil, fmt.Errorf("certificates of own hosts: %w", err)
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificates of own hosts: %s holds no certificate", c.Roots)
		}
	}
	folder := c.Folder
	if folder == "" {
		folder = filepath.Join(p.config.DataDir, "certificates")
	}
	issuer := hostcert.New(hostcert.Config{
		Directory: c.Directory, Email: c.Email, Roots: roots, Folder: folder, Host: host, Port: port, Known: p.tracking.hosts.leadsHere,
		Now: p.store.Now, Log: p.log,
	})
	p.tracking.hosts.ready = func(ctx context.Context, host string) bool { return issuer.Ready(ctx, host) }
	return issuer, nil
}

// tendEvery is how often each node looks for certificates of own hosts that are about to end.
const tendEvery = time.Hour

// tendHosts is every node's own: it may have a folder of its own.
func (p *platform) tendHosts(ctx context.Context) {
	if p.hostCerts == nil {
		return
	}
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		if others, err := p.apart(ctx); err == nil && len(others) > 0 {
			p.log.Warn("several nodes make certificates of own hosts, each in its own data directory: checks by the authority may fail and links may not open; "+
				"set acme.folder on all nodes to one folder that they share", "nodes", others, "help", "docs/tracking-links.md")
		} else if err != nil && ctx.Err() == nil {
			p.log.Error("other nodes not looked for", "err", err)
		}
		if err := p.hostCerts.Tend(ctx); err != nil && ctx.Err() == nil {
			p.log.Error("certificates of own hosts not looked through", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// apart names the other nodes that live, where each keeps certificates of own hosts in its
// own data directory: none where there is one node, one folder for all, or no such
// certificate. That acme.folder is one folder for all is what it is for, and believed.
func (p *platform) apart(ctx context.Context) ([]string, error) {
	if p.hostCerts == nil || p.config.ACME.Folder != "" {
		return nil, nil
	}
	nodes, err := p.store.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var others []string
	for _, n := range nodes {
		if n.Alive && n.Name != p.config.Node && !slices.Contains(others, n.Name) {
			others = append(others, n.Name)
		}
	}
	slices.Sort(others)
	return others, nil
}

// webTLS is how the door for the API and the office serves.
func (p *platform) webTLS() *tls.Config {
	if p.hostCerts == nil {
		return p.tls
	}
	return p.hostCerts.TLS(p.tls)
}

// close ends what the platform stands on.
func (p *platform) close() error {
	if p.hostCerts != nil {
		p.hostCerts.Close()
	}
	return p.base.close()
}
