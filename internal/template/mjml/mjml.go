// Package mjml compiles MJML, the language of responsive mail, to HTML.
//
// It belongs to saving: a template is compiled once, when it is stored, never when a
// mail is sent. The compiler is MJML's own (npm mjml-browser), bundled by bundle/ and
// run by an engine in Go that has no files, no network and no clock of its own; a timer
// ends what takes too long. Tags of Handlebars pass through it as text.
//
// It does not merge data and does not decide what a mail must contain.
package mjml

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/dop251/goja"

	"stafette/internal/fault"
)

// Limits of what is compiled.
const (
	// MaxSource is the largest source in bytes.
	MaxSource = 256 << 10
	// MaxElements is how many elements of MJML a source may have.
	MaxElements = 1000
	// MaxOutput is the largest result in bytes.
	MaxOutput = 1 << 20
	// patience is how long one compilation may take.
	patience = 10 * time.Second
	// stack bounds how deep functions of the compiler may call each other.
	stack = 2000
	// kept is how many results stay in memory.
	kept = 64
)

// Codes of refusals, each *fault.Error.
const (
	CodeInvalid = "mjml_invalid" // the source is no MJML; errors.As finds the *Error
	CodeLarge   = "mjml_large"   // a limit is passed, the time among them
)

// Error is what the compiler says about a source.
type Error struct {
	// Line counts from 1; 0 if it is not known.
	Line int
	// Message is the compiler's, in English, shortened.
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

//go:embed mjml.js.gz
var bundle []byte

// Compiler compiles one source at a time; others wait. The zero value is ready. It is
// safe for concurrent use; the first use takes some tenths of a second more.
type Compiler struct {
	turn    sync.Mutex
	vm      *goja.Runtime
	compile goja.Callable
	results map[[sha256.Size]byte]string
}

// Compile returns the HTML of an MJML source. What it cannot make sense of is a
// *fault.Error with CodeInvalid; what is too much, with CodeLarge.
func (c *Compiler) Compile(ctx context.Context, source string) (string, error) {
	if len(source) > MaxSource || strings.Count(source, "<mj") > MaxElements {
		return "", large(nil)
	}
	c.turn.Lock()
	defer c.turn.Unlock()
	key := sha256.Sum256([]byte(source))
	if html, ok := c.results[key]; ok {
		return html, nil
	}
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("compile mjml: %w", err)
	}
	if c.vm == nil {
		if err := c.load(); err != nil {
			return "", fmt.Errorf("load mjml: %w", err)
		}
	}
	html, err := c.run(source)
	if err != nil {
		// What an interrupted or failed run leaves behind is not known.
		if e := fault.As(err); e == nil || e.Code == CodeLarge {
			c.vm, c.compile = nil, nil
		}
		return "", err
	}
	if len(c.results) >= kept || c.results == nil {
		c.results = map[[sha256.Size]byte]string{}
	}
	c.results[key] = html
	return html, nil
}

func large(cause error) error {
	return &fault.Error{Kind: fault.TooLarge, Code: CodeLarge, Detail: fmt.Sprintf("At most %d bytes and %d elements of MJML, compiled within %v.", MaxSource, MaxElements, patience), Err: cause}
}

// load puts the bundle into a fresh engine.
func (c *Compiler) load() error {
	zip, err := gzip.NewReader(bytes.NewReader(bundle))
	if err != nil {
		return err
	}
	script, err := io.ReadAll(zip)
	if err != nil {
		return err
	}
	vm := goja.New()
	vm.SetFieldNameMapper(goja.TagFieldNameMapper("json", true))
	vm.SetMaxCallStackSize(stack)
	for _, name := range []string{"window", "self"} {
		if err := vm.Set(name, vm.GlobalObject()); err != nil {
			return err
		}
	}
	err = errors.Join(
		vm.Set("atob", func(s string) (string, error) {
			raw, err := base64.StdEncoding.DecodeString(s)
			return string(raw), err
		}),
		vm.Set("btoa", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }),
		// Nothing waits in a compilation: what is put off is never wanted.
		vm.Set("setTimeout", func(goja.FunctionCall) goja.Value { return goja.Undefined() }),
		vm.Set("clearTimeout", func(goja.FunctionCall) goja.Value { return goja.Undefined() }),
	)
	if err != nil {
		return err
	}
	if _, err := vm.RunString(surroundings); err != nil {
		return err
	}
	if _, err := vm.RunScript("mjml.js", string(script)); err != nil {
		return err
	}
	compile, ok := goja.AssertFunction(vm.Get("mjml"))
	if !ok {
		return errors.New("the bundle has no compiler")
	}
	c.vm, c.compile = vm, compile
	return nil
}

// surroundings are what the bundle looks for when it is loaded, and never uses.
const surroundings = `
var process = {env: {}, cwd: function () { return "/"; }, platform: "linux", version: "v20.0.0", browser: true};
function TextEncoder() {}
TextEncoder.prototype.encode = function (s) { return new Uint8Array(0); };
function TextDecoder() {}
TextDecoder.prototype.decode = function (b) { return ""; };
function URL(s) { this.href = s; }
`

// answer is what the compiler gives.
type answer struct {
	HTML   string `json:"html"`
	Errors []struct {
		Line    int    `json:"line"`
		Message string `json:"message"`
	} `json:"errors"`
}

func (c *Compiler) run(source string) (string, error) {
	timer := time.AfterFunc(patience, func() { c.vm.Interrupt(context.DeadlineExceeded) })
	value, err := c.compile(goja.Undefined(), c.vm.ToValue(source))
	timer.Stop()
	c.vm.ClearInterrupt()
	if p, ok := exported(value); err == nil && ok {
		switch p.State() {
		case goja.PromiseStateFulfilled:
			value = p.Result()
		case goja.PromiseStateRejected:
			return "", invalid(0, p.Result().String())
		case goja.PromiseStatePending:
			return "", errors.New("compile mjml: the compiler waits for something")
		}
	}
	var interrupted *goja.InterruptedError
	var overflow *goja.StackOverflowError
	var thrown *goja.Exception
	switch {
	case errors.As(err, &interrupted), errors.As(err, &overflow):
		return "", large(err)
	case errors.As(err, &thrown):
		return "", invalid(0, thrown.Value().String())
	case err != nil:
		return "", fmt.Errorf("compile mjml: %w", err)
	}
	var a answer
	object := value.ToObject(c.vm)
	a.HTML = object.Get("html").String()
	if err := c.vm.ExportTo(object.Get("errors"), &a.Errors); err != nil {
		return "", fmt.Errorf("compile mjml: read its errors: %w", err)
	}
	if len(a.Errors) > 0 {
		list := make([]*fault.Error, 0, len(a.Errors))
		for _, one := range a.Errors[:min(len(a.Errors), 20)] {
			list = append(list, invalid(one.Line, one.Message))
		}
		return "", fault.Join(list)
	}
	if len(a.HTML) > MaxOutput {
		return "", large(nil)
	}
	return a.HTML, nil
}

func exported(v goja.Value) (*goja.Promise, bool) {
	if v == nil {
		return nil, false
	}
	p, ok := v.Export().(*goja.Promise)
	return p, ok
}

func invalid(line int, text string) *fault.Error {
	text = strings.Join(strings.Fields(strings.TrimPrefix(text, "Error: ")), " ")
	if r := []rune(text); len(r) > 200 {
		text = string(r[:199]) + "…"
	}
	return &fault.Error{Kind: fault.Invalid, Code: CodeInvalid, Detail: fmt.Sprintf("MJML, line %d: %s", line, text), Err: &Error{Line: line, Message: text}}
}
