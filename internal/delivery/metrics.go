package delivery

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what the engine does. It is safe for concurrent use.
type Metrics struct {
	attempts    *prometheus.CounterVec // by outcome
	refused     *prometheus.CounterVec // by source
	rules       *prometheus.CounterVec // by rule
	fallbacks   prometheus.Counter
	parked      prometheus.Counter
	fenced      prometheus.Counter
	inFlight    prometheus.Gauge
	connections prometheus.Gauge
	depth       prometheus.Gauge
	settling    prometheus.Gauge
}

// NewMetrics registers the engine's metrics; with nil they are counted for nobody.
func NewMetrics(r prometheus.Registerer) *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "stafette", Subsystem: "delivery", Name: name, Help: help})
	}
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "stafette", Subsystem: "delivery", Name: name, Help: help}, []string{label})
	}
	m := &Metrics{
		attempts: counter("attempts_total", "Attempts that came to a verdict.", "outcome"),
		refused:  counter("source_refusals_total", "Replies that blamed a source and were followed by another one.", "source"),
		rules:    counter("rules_total", "Rules of the shaping that replies brought to their threshold.", "rule"),
		fallbacks: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "stafette", Subsystem: "delivery",
			Name: "fallbacks_total", Help: "Deliveries refused over a new source and accepted over an old one at once."}),
		parked: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "stafette", Subsystem: "delivery",
			Name: "parked_total", Help: "Deliveries put off because a ceiling lets through too little."}),
		fenced: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "stafette", Subsystem: "delivery",
			Name: "fenced_total", Help: "Verdicts that came after the claim had been lost."}),
		inFlight:    gauge("in_flight", "Transactions going on."),
		connections: gauge("connections", "Connection workers of all lanes."),
		depth:       gauge("lane_depth", "Deliveries waiting on lanes."),
		settling:    gauge("settling", "Verdicts that are not durable yet."),
	}
	if r != nil {
		r.MustRegister(m.attempts, m.refused, m.rules, m.fallbacks, m.parked, m.fenced, m.inFlight, m.connections, m.depth, m.settling)
	}
	return m
}
