// Command office serves the office on the world of package webtest, on a free
// loopback port, for tests in a browser. It prints its address as its first line.
// Every line it reads is an order, answered by a line: "deliver" lets the newest
// waiting message be delivered, "pages" lists the addresses of all pages as JSON, by who
// can see them, "strangers" those of pages for people without an account. It ends when its
// input ends.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	_ "time/tzdata"

	"stafette/internal/event"
	"stafette/internal/insight"
	"stafette/internal/lead"
	"stafette/internal/offer"
	"stafette/internal/public"
	"stafette/internal/public/leadpages"
	"stafette/internal/public/offerpages"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/frame"
	"stafette/internal/web/webtest"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := "http://" + listener.Addr().String()
	world := webtest.New()
	config, err := world.Config(address)
	if err != nil {
		return err
	}
	config.Components = true
	handler, err := web.New(config)
	if err != nil {
		return err
	}
	frames, err := frame.New(config.Config)
	if err != nil {
		return err
	}
	routes := config.Routes(frames)
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	outside, err := strangers(mux, world, config)
	if err != nil {
		return err
	}
	generous := public.NewLimiter(1000, time.Millisecond, world.Now)
	prospects := leadpages.New(leadpages.Config{Forms: world.LeadForms, Leads: world.Receivers(), Cases: world.LeadCases, Catalog: config.Catalog, PublicURL: address,
		Reading: generous, Entering: generous, Telling: generous, Zone: config.Zone, Now: world.Now})
	for _, path := range []string{leadpages.FormPath, lead.ConfirmPath, lead.ReportPath} {
		mux.Handle(path, prospects)
	}
	recipients := offerpages.New(offerpages.Config{Offers: world.Offers(), Catalog: config.Catalog, Reading: generous, Telling: generous, Guessing: generous, Zone: config.Zone, Now: world.Now})
	mux.Handle(offer.Path, recipients)
	mux.Handle(offer.PreviewPath, recipients)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	fmt.Println(address)
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		switch orders.Text() {
		case "deliver":
			deliver(world)
			fmt.Println("delivered")
		case "lock":
			world.Tenant.State, world.Tenant.LockReason = tenant.Locked, "Falsche Angaben zur Herkunft der Adressen"
			fmt.Println("locked")
		case "strangers":
			if err := json.NewEncoder(os.Stdout).Encode(outside); err != nil {
				return err
			}
		case "pages":
			if err := list(world, routes); err != nil {
				return err
			}
		}
	}
	return server.Close()
}

// list prints the addresses of all pages.
func list(w *webtest.World, routes []frame.Route) error {
	return json.NewEncoder(os.Stdout).Encode(map[string][]string{
		"anyone": w.Pages(routes, frame.Anyone), "tenant": w.Pages(routes, frame.SignedIn), "staff": w.Pages(routes, frame.Staff),
	})
}

func deliver(w *webtest.World) {
	w.Advance(2 * time.Second)
	page, err := w.Messages(context.Background(), w.Tenant.ID, insight.Filter{State: event.Queued, Limit: 1})
	if err == nil && len(page.Messages) == 1 {
		w.Deliver(page.Messages[0].ID)
	}
}
