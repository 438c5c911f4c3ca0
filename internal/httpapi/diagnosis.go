package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/diagnosis"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

const oneDelivery = "/v1/deliveries/{id}"

func diagnosisRoutes() []Route {
	return []Route{
		{Method: http.MethodGet, Path: "/v1/diagnosis", Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "diagnose", summary: "Say what became of the mail that a text speaks of", register: registerWith((*API).diagnose)},
		{Method: http.MethodGet, Path: oneDelivery + "/proof.json", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-proof", summary: "Prove a delivery with signed facts", register: registerProof("application/json", (*API).proofJSON)},
		{Method: http.MethodGet, Path: oneDelivery + "/proof.pdf", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-proof-pdf", summary: "Prove a delivery on paper", register: registerProof("application/pdf", (*API).proofPDF)},
		{Method: http.MethodPost, Path: oneDelivery + "/status-link", Scope: tenant.ScopeSend, status: 200, errors: []int{404},
			id: "make-status-link", summary: "Make a link that shows a delivery to whoever has it", register: registerWith((*API).statusLink)},
		{Method: http.MethodDelete, Path: oneDelivery + "/status-link", Scope: tenant.ScopeSend, status: 200, errors: []int{404},
			id: "revoke-status-links", summary: "Take back all links to a delivery", register: registerWith((*API).revokeLinks)},
	}
}

// Diagnosis is what became of the mail that a question speaks of.
type Diagnosis struct {
	Query    string        `json:"query" doc:"As it was understood"`
	Found    bool          `json:"found" doc:"False: the only verdict says that nothing was found"`
	Verdicts []Verdict     `json:"verdicts" nullable:"false" doc:"From new to old"`
	More     bool          `json:"more" doc:"There are older deliveries"`
	Near     []NearAddress `json:"near" nullable:"false" doc:"Other addresses that may be meant"`
}

// Verdict tells of one delivery in words, with what proves it.
type Verdict struct {
	Situation string        `json:"situation" doc:"Stable name of what the facts come to, for example delivered, greylist, unknown, never"`
	Sentence  string        `json:"sentence" doc:"What happened"`
	Do        string        `json:"do" doc:"What to do now"`
	Message   *message.ID   `json:"message" doc:"Null if nothing was found"`
	Delivery  *string       `json:"delivery"`
	Recipient string        `json:"recipient"`
	Subject   string        `json:"subject"`
	State     string        `json:"state"`
	Provider  string        `json:"provider" doc:"Mailbox provider behind the server that was talked to; empty if unknown"`
	Attempt   *Attempt      `json:"attempt" doc:"The one that decided, or the last; null if there was none"`
	Steps     []VerdictStep `json:"steps" nullable:"false" doc:"For the recipient; only where they can help"`
}

// VerdictStep is one thing for the recipient to do.
type VerdictStep struct {
	Part       string `json:"part"`
	Text       string `json:"text"`
	Unverified bool   `json:"unverified" doc:"The path was not verified with the provider"`
}

// NearAddress is an address the account has sent to.
type NearAddress struct {
	Address  string    `json:"address"`
	Name     string    `json:"name"`
	Why      string    `json:"why" enum:"slip,name,local,alike" doc:"A slip in the domain, the same name, the same local part, or a local part made of the same names"`
	Delivery string    `json:"delivery" doc:"The newest to it"`
	State    string    `json:"state"`
	At       time.Time `json:"accepted_at"`
}

// StatusLink is a link to a status page.
type StatusLink struct {
	URL       string    `json:"url" doc:"Shows this delivery, without subject and content, to whoever has it"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

type diagnoseInput struct {
	Query          string `query:"q" required:"true" minLength:"1" maxLength:"400" doc:"Address, name, order number, tag, subject, Message-ID or identifier; the first 200 characters count"`
	AcceptLanguage string `header:"Accept-Language" doc:"de (default) or en"`
}

type diagnoseOutput struct{ Body Diagnosis }

func (a *API) diagnose(ctx context.Context, in *diagnoseInput) (*diagnoseOutput, error) {
	answer, err := a.c.Diagnosis.Ask(ctx, keyOf(ctx).Tenant, in.Query)
	if err != nil {
		return nil, err
	}
	out := Diagnosis{Query: answer.Query, Found: answer.Found(), Verdicts: []Verdict{}, More: answer.More, Near: []NearAddress{}}
	for _, v := range answer.Verdicts {
		out.Verdicts = append(out.Verdicts, a.diagnosed(voiceFor(in.AcceptLanguage), v))
	}
	for _, n := range answer.Near {
		out.Near = append(out.Near, NearAddress{
			Address: n.Address.String(), Name: n.Name, Why: string(n.Why), Delivery: n.Delivery.ID.String(), State: string(n.Delivery.State), At: n.Message.AcceptedAt,
		})
	}
	return &diagnoseOutput{out}, nil
}

func voiceFor(accept string) diagnosis.Voice {
	return diagnosis.Voice{Lang: i18n.Lang(preferred(accept)), Tone: i18n.Sie}
}

func (a *API) diagnosed(voice diagnosis.Voice, v diagnosis.Verdict) Verdict {
	told := a.c.Diagnosis.Tell(voice, v)
	out := Verdict{Situation: string(v.Situation), Sentence: told.Sentence, Do: told.Do, Steps: []VerdictStep{}}
	if v.Query != "" {
		return out
	}
	delivery := v.Delivery.ID.String()
	out.Message, out.Delivery = &v.Message.ID, &delivery
	out.Recipient, out.Subject, out.State, out.Provider = v.Delivery.Recipient.String(), v.Message.Subject, string(v.Delivery.State), v.Provider()
	if e := v.Evidence; e.Attempt != nil {
		one := attemptOf(e.Event())
		out.Attempt = &one
	}
	for _, s := range a.c.Diagnosis.Steps(voice, v) {
		out.Steps = append(out.Steps, VerdictStep{Part: s.Part, Text: s.Text, Unverified: s.Unsure})
	}
	return out
}

type deliveryInput struct {
	ID string `path:"id" maxLength:"64" example:"dlv_01k00000000000000000000001"`
}

// delivery parses the identifier; a malformed one names nothing.
func (in *deliveryInput) delivery() (message.DeliveryID, error) {
	d, err := id.Parse[message.DeliveryKind](in.ID)
	if err != nil {
		return d, fault.New(fault.NotFound, "delivery_not_found", "There is no such delivery.")
	}
	return d, nil
}

type statusLinkOutput struct{ Body StatusLink }

func (a *API) statusLink(ctx context.Context, in *deliveryInput) (*statusLinkOutput, error) {
	d, err := in.delivery()
	if err != nil {
		return nil, err
	}
	key := keyOf(ctx)
	l, err := a.c.Diagnosis.LinkTo(ctx, key.Tenant, d, key.ID.String())
	if err != nil {
		return nil, err
	}
	return &statusLinkOutput{StatusLink{URL: a.c.Diagnosis.URL(l), CreatedAt: l.CreatedAt, ExpiresAt: l.ExpiresAt}}, nil
}

type revokedOutput struct {
	Body struct {
		Revoked int `json:"revoked" doc:"How many links were taken back"`
	}
}

func (a *API) revokeLinks(ctx context.Context, in *deliveryInput) (*revokedOutput, error) {
	d, err := in.delivery()
	if err != nil {
		return nil, err
	}
	var out revokedOutput
	out.Body.Revoked, err = a.c.Diagnosis.Revoke(ctx, keyOf(ctx).Tenant, d)
	return &out, err
}

// registerProof registers a file about a delivery. It is a handler of its own: the
// framework would encode it.
func registerProof(media string, write func(*API, *http.Request, diagnosis.Proof) ([]byte, error)) func(*API, huma.API, Route) {
	return func(a *API, api huma.API, r Route) {
		op := r.operation(api)
		text := &huma.Schema{Type: huma.TypeString}
		op.Parameters = []*huma.Param{{Name: "id", In: "path", Required: true, Schema: text}}
		schema := &huma.Schema{Type: huma.TypeObject, Description: "Facts and their Ed25519 signature, see docs/diagnosis.md", AdditionalProperties: true}
		if media == "application/pdf" {
			op.Parameters = append(op.Parameters, &huma.Param{Name: "lang", In: "query", Description: "Language of the page; de if it is missing",
				Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"de", "en"}}})
			schema = &huma.Schema{Type: huma.TypeString, Format: "binary"}
		}
		op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{media: {Schema: schema}}}
		a.registerPlain(api, r, op, func(w http.ResponseWriter, req *http.Request) error {
			in := deliveryInput{ID: req.PathValue("id")}
			d, err := in.delivery()
			if err != nil {
				return err
			}
			proof, err := a.c.Diagnosis.Prove(req.Context(), keyOf(req.Context()).Tenant, d)
			if err != nil {
				return err
			}
			data, err := write(a, req, proof)
			if err != nil {
				return err
			}
			w.Header().Set("Content-Type", media)
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			_, _ = w.Write(data) // the client is gone if this fails, and so is whom to tell
			return nil
		})
	}
}

func (a *API) proofJSON(_ *http.Request, p diagnosis.Proof) ([]byte, error) { return p.JSON() }

func (a *API) proofPDF(r *http.Request, p diagnosis.Proof) ([]byte, error) {
	lang := i18n.German
	switch r.URL.Query().Get("lang") {
	case "", "de":
	case "en":
		lang = i18n.English
	default:
		return nil, fault.Field("query/lang", "lang_unknown", "The languages are de and en.")
	}
	return a.c.Diagnosis.PDF(p, lang)
}
