package account

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"image/png"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

const (
	ceremonyTOTP  = "totp"
	totpPeriod    = 30 // seconds (RFC 6238, 4.1)
	recoveryCodes = 10
	codeLength    = 11 // of a recovery code, "xxxxx-xxxxx"
)

// Factors tells what the person has beside the password.
func (s *Service) Factors(ctx context.Context, who tenant.Identity) (Factors, error) {
	return s.c.Store.Factors(ctx, who.User.Tenant, who.User.ID)
}

// Enrolment is an authenticator app being set up.
type Enrolment struct {
	Token   string // finishes it
	Secret  string // base32, to type in
	Picture string // data URI of the QR code
}

type totpContent struct{ Secret string }

// BeginTOTP begins to set up an authenticator app (RFC 6238).
func (s *Service) BeginTOTP(ctx context.Context, who tenant.Identity) (Enrolment, error) {
	if !s.Proven(who) {
		return Enrolment{}, ErrProof()
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Stafette " + s.host, AccountName: who.User.Email})
	if err != nil {
		return Enrolment{}, fmt.Errorf("begin TOTP: %w", err)
	}
	token, err := s.begin(audit.Without(ctx), ceremonyTOTP, who.User, totpContent{key.Secret()}, ceremonyLast)
	if err != nil {
		return Enrolment{}, err
	}
	return s.enrolment(who, token, key.Secret())
}

// ShowTOTP is the enrolment of a token again, for a form that was refused.
func (s *Service) ShowTOTP(ctx context.Context, who tenant.Identity, token string) (Enrolment, error) {
	var content totpContent
	c, err := s.peek(ctx, ceremonyTOTP, token, &content)
	if err == nil {
		err = ofPerson(c, who)
	}
	if err != nil {
		return Enrolment{}, err
	}
	return s.enrolment(who, token, content.Secret)
}

func (s *Service) enrolment(who tenant.Identity, token, secret string) (Enrolment, error) {
	label := url.PathEscape("Stafette " + s.host + ":" + who.User.Email)
	key, err := otp.NewKeyFromURL("otpauth://totp/" + label + "?secret=" + secret + "&issuer=" + url.QueryEscape("Stafette "+s.host))
	if err != nil {
		return Enrolment{}, fmt.Errorf("write TOTP key: %w", err)
	}
	picture, err := key.Image(240, 240)
	if err != nil {
		return Enrolment{}, fmt.Errorf("draw TOTP key: %w", err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return Enrolment{}, fmt.Errorf("draw TOTP key: %w", err)
	}
	return Enrolment{Token: token, Secret: secret, Picture: "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())}, nil
}

// ConfirmTOTP ends the set-up with a first code. Other sessions end. Where it is the
// person's first factor, the recovery codes are returned, which exist nowhere else.
// Error: Invalid "code_wrong" for "code".
func (s *Service) ConfirmTOTP(ctx context.Context, who tenant.Identity, token, code string) ([]string, error) {
	if !s.Proven(who) {
		return nil, ErrProof()
	}
	var content totpContent
	c, err := s.peek(ctx, ceremonyTOTP, token, &content)
	if err == nil {
		err = ofPerson(c, who)
	}
	if err != nil {
		return nil, err
	}
	step := stepOf(content.Secret, code, s.now())
	if step == 0 {
		return nil, errCode()
	}
	if _, err := s.finish(audit.Without(ctx), ceremonyTOTP, token, &content); err != nil {
		return nil, err
	}
	codes, hashes, err := s.firstCodes(ctx, who)
	if err != nil {
		return nil, err
	}
	sealed := s.c.Keeper.Seal([]byte(content.Secret), totpPlace(who.User))
	letters := s.factorLetter(who)
	ctx = note(ctx, who.User.Tenant, who.User.ID.String(), "")
	if err := s.c.Store.SetTOTP(ctx, who.User.Tenant, who.User.ID, sealed, step, hashes, who.Session.Hash, letters); err != nil {
		return nil, err
	}
	s.sent(letters)
	return codes, nil
}

func totpPlace(u tenant.User) string { return "totp/" + u.ID.String() }

// stepOf returns the time step whose code was given, one before and one after now
// included (RFC 6238, 5.2), or 0.
func stepOf(secret, code string, now time.Time) int64 {
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	found := int64(0)
	for _, off := range []int64{-1, 0, 1} {
		step := now.Unix()/totpPeriod + off
		want, err := totp.GenerateCode(secret, time.Unix(step*totpPeriod, 0))
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			found = step
		}
	}
	return found
}

// RemoveTOTP takes the authenticator app away; other sessions end.
func (s *Service) RemoveTOTP(ctx context.Context, who tenant.Identity) error {
	if !s.Proven(who) {
		return ErrProof()
	}
	letters := s.factorLetter(who)
	ctx = note(ctx, who.User.Tenant, who.User.ID.String(), "")
	if err := s.c.Store.SetTOTP(ctx, who.User.Tenant, who.User.ID, nil, 0, nil, who.Session.Hash, letters); err != nil {
		return err
	}
	s.sent(letters)
	return nil
}

// NewCodes replaces the recovery codes; the old ones no longer work.
func (s *Service) NewCodes(ctx context.Context, who tenant.Identity) ([]string, error) {
	if !s.Proven(who) {
		return nil, ErrProof()
	}
	codes, hashes := s.makeCodes(who.User)
	letters := s.factorLetter(who)
	ctx = note(ctx, who.User.Tenant, who.User.ID.String(), "")
	if err := s.c.Store.SetCodes(ctx, who.User.Tenant, who.User.ID, hashes, letters); err != nil {
		return nil, err
	}
	s.sent(letters)
	return codes, nil
}

// firstCodes makes recovery codes for somebody who has no factor yet.
func (s *Service) firstCodes(ctx context.Context, who tenant.Identity) ([]string, [][32]byte, error) {
	f, err := s.Factors(ctx, who)
	if err != nil || f.Any() {
		return nil, nil, err
	}
	codes, hashes := s.makeCodes(who.User)
	return codes, hashes, nil
}

func (s *Service) makeCodes(u tenant.User) (codes []string, hashes [][32]byte) {
	for range recoveryCodes {
		code := tenant.NewPassword()[:codeLength]
		codes, hashes = append(codes, code), append(hashes, s.hashCode(u, code))
	}
	return codes, hashes
}

// hashCode is keyed: a code is short enough to be guessed by who has the rows alone.
func (s *Service) hashCode(u tenant.User, code string) [32]byte {
	mac := hmac.New(sha256.New, s.c.Keeper.MACKey("recovery codes"))
	mac.Write(u.ID[:])
	mac.Write([]byte(strings.ToLower(strings.TrimSpace(code))))
	return [32]byte(mac.Sum(nil))
}

func (s *Service) factorLetter(who tenant.Identity) []notice.Due {
	now := s.now()
	return s.letter(who.User, who.Tenant, "factor_changed", fmt.Sprintf("factor/%s/%d", who.User.ID, now.UnixMilli()), "/profile", map[string]string{
		"at": s.clock(who.User, who.Tenant).Full(now),
	})
}

// FinishFactor turns the pending session of a token into a full one, by a code of the
// authenticator app or a recovery code, each good for once. Errors: Unauthenticated
// "session_ended", Invalid "code_wrong", Limited "too_many_tries".
func (s *Service) FinishFactor(ctx context.Context, token, code, userAgent, remote string) (string, tenant.Identity, error) {
	who, err := s.ResumePending(ctx, token)
	if err != nil {
		return "", tenant.Identity{}, err
	}
	u := who.User
	name := "factor:" + u.ID.String()
	if err := s.TakeTry(ctx, name, remote); err != nil {
		return "", tenant.Identity{}, err
	}
	err = s.useCode(act(ctx, u, "factor.used", remote), u, code)
	if fault.IsKind(err, fault.Invalid) {
		s.afterwards(func(ctx context.Context) { s.noteFailure(ctx, u.Email, "factor.refused", remote) })
		if kept := s.FailTry(ctx, name, remote); kept != nil {
			return "", tenant.Identity{}, kept
		}
	}
	if err != nil {
		return "", tenant.Identity{}, err
	}
	if err := s.ForgiveTry(ctx, name, remote); err != nil {
		return "", tenant.Identity{}, err
	}
	if err := s.c.Store.CloseSession(ctx, who.Session.Hash); err != nil {
		return "", tenant.Identity{}, err
	}
	return s.enter(ctx, u, userAgent, remote, false)
}

func (s *Service) useCode(ctx context.Context, u tenant.User, code string) error {
	f, err := s.c.Store.Factors(ctx, u.Tenant, u.ID)
	if err != nil {
		return err
	}
	if f.TOTP != nil {
		secret, err := s.c.Keeper.Open(f.TOTP, totpPlace(u))
		if err != nil {
			return fmt.Errorf("read TOTP key: %w", err)
		}
		if step := stepOf(string(secret), code, s.now()); step > 0 {
			err := s.c.Store.UseTOTP(ctx, u.Tenant, u.ID, step)
			if fault.IsKind(err, fault.Conflict) {
				return errCode()
			}
			return err
		}
	}
	err = s.c.Store.UseCode(ctx, u.Tenant, u.ID, s.hashCode(u, code), s.now())
	if fault.IsKind(err, fault.NotFound) {
		return errCode()
	}
	return err
}
