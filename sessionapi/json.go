package sessionapi

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// The options for decoding JSON. Unlike encoding/json, the library matches names exactly
// and rejects objects with duplicate names: otherwise a further `success` or `Success` could
// hide a `success: false`.
var (
	jsonOptions = json.JoinOptions(
		jsontext.AllowInvalidUTF8(true),
		jsonv1.ReportErrorsWithLegacySemantics(true), // fields of the right type are decoded even if others are not
	)
	// jsonAnyNumber decodes a number too large for a float64 as infinity.
	jsonAnyNumber = json.JoinOptions(jsonOptions, json.WithUnmarshalers(json.UnmarshalFromFunc(anyNumber)))
)

// DecodeJSON decodes a body into the type that the API documents. If the body does not
// match it, the Interpretation's State is InvalidResponse; the fields that do match are
// returned nevertheless, because an error code may be among them. An empty body is left
// to the API.
func DecodeJSON[Body any](response Response) (in Interpretation, body Body) {
	if len(response.Body) == 0 {
		return in, body
	}
	err := json.Unmarshal(response.Body, &body, jsonOptions)
	if tooLarge, ok := errors.AsType[*jsonv1.UnmarshalTypeError](err); ok && strings.HasPrefix(tooLarge.Value, "number ") {
		body = *new(Body)
		err = json.Unmarshal(response.Body, &body, jsonAnyNumber)
	}
	if err == nil {
		return in, body
	}
	in.State, in.Why = InvalidResponse, whyNotJSON(response.Body, err)
	in.Page = isPage(response.Body)
	return in, body
}

// anyNumber decodes a number of any size, up to a thousand digits.
func anyNumber(decoder *jsontext.Decoder, number *float64) error {
	if decoder.PeekKind() != '0' {
		return errors.ErrUnsupported // as without this function
	}
	const long = 1 << 10
	switch text, err := decoder.ReadValue(); {
	case err != nil:
		return err
	case len(text) > long:
		return strconv.ErrRange
	default:
		*number, _ = strconv.ParseFloat(string(text), 64) // infinite, together with its error
		return nil
	}
}

// whyNotJSON describes why a body is not the API's JSON.
func whyNotJSON(body []byte, err error) string {
	typeErr, isType := errors.AsType[*jsonv1.UnmarshalTypeError](err)
	start := bytes.TrimSpace(body)
	switch {
	case isType && typeErr.Field == "":
		return "its body is a JSON " + typeErr.Value + " instead of an object"
	case isType:
		return "its field `" + typeErr.Field + "` has the wrong type, a JSON " + typeErr.Value
	case errors.Is(err, strconv.ErrRange):
		return "its body has a number of more than a thousand digits"
	case strings.HasPrefix(err.Error(), jsontext.ErrDuplicateName.Error()):
		return "its body has a duplicate field"
	case bytes.HasPrefix(start, []byte("<?xml")):
		return "its body is XML instead of JSON"
	case bytes.HasPrefix(start, []byte("<")):
		return "its body is an HTML page instead of JSON"
	}
	return "its body is not JSON"
}
