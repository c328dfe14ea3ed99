package custom

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"session_exporter/sessionapi"
)

// scope provides the variables of expressions on one response. It implements cel.Activation.
type scope struct {
	step     sessionapi.Step
	response sessionapi.Response
	body     any
	headers  map[string]string // made when an expression refers to it
	// code and username are the response's. Rules refer to them.
	code, username string

	seq *sequence // of which the response is a part; nil for a single request
}

// ok reports whether the status means success.
func (s *scope) ok() bool {
	if s.seq != nil {
		return s.seq.succeeded(s.response)
	}
	return s.response.OK()
}

// isLast reports whether no other request follows.
func (s *scope) isLast() bool { return s.seq == nil || s.seq.isLast() }

// ResolveName implements cel.Activation.
func (s *scope) ResolveName(name string) (any, bool) {
	switch name {
	case "status":
		return int64(s.response.Status), true
	case "ok":
		return s.ok(), true
	case "request":
		if s.seq == nil {
			return int64(1), true
		}
		return int64(s.seq.at + 1), true
	case "cookies":
		set := make(map[string]string)
		for _, c := range sessionapi.Jar(nil).With(sessionapi.SetCookies(s.response)) {
			set[c.Name] = c.Value.Reveal()
		}
		return set, true
	case "step":
		return string(s.step), true
	case "body":
		return s.body, true
	case "now":
		return time.Now(), true
	case "error_code":
		return s.code, true
	case "username":
		return s.username, true
	case "headers":
		if s.headers == nil {
			s.headers = make(map[string]string, len(s.response.Header))
			for name, values := range s.response.Header {
				s.headers[strings.ToLower(name)] = strings.Join(values, ", ")
			}
		}
		return s.headers, true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (*scope) Parent() cel.Activation { return nil }

// evaluator evaluates expressions on one response. The first that fails makes the
// Interpretation an InvalidResponse, and is its reason.
type evaluator struct {
	scope
	in        *sessionapi.Interpretation
	malformed bool // the body is malformed: a failing expression is not an error
}

// eval returns an expression's value, nil if the response lacks it.
func (ev *evaluator) eval(e *expression) ref.Val {
	if e == nil {
		return nil
	}
	value, err := e.eval(&ev.scope)
	switch {
	case err != nil && !errors.Is(err, errAbsent):
		ev.fail(e, err.Error())
		return nil
	case err != nil:
		return nil
	}
	if optional, ok := value.(*types.Optional); ok {
		if !optional.HasValue() {
			return nil
		}
		value = optional.GetValue()
	}
	if value.Type() == types.NullType {
		return nil
	}
	return value
}

func (ev *evaluator) fail(e *expression, why string) {
	if !ev.malformed && ev.in.State == "" {
		ev.in.State, ev.in.Why = sessionapi.InvalidResponse, "the API's `"+e.name+"` "+why
	}
}

const wrongType = "has the wrong type in this response"

func (ev *evaluator) text(e *expression) string {
	switch value := ev.eval(e).(type) {
	case nil:
		return ""
	case types.String:
		return string(value)
	default:
		ev.fail(e, wrongType)
		return ""
	}
}

// scalar returns text, or a number in decimal notation. known reports whether the response
// has the value.
func (ev *evaluator) scalar(e *expression) (text string, known bool) {
	switch value := ev.eval(e).(type) {
	case nil:
		return "", false
	case types.String:
		return string(value), true
	case types.Int:
		return strconv.FormatInt(int64(value), 10), true
	case types.Double:
		return strconv.FormatFloat(float64(value), 'f', -1, 64), true
	default:
		ev.fail(e, wrongType)
		return "", false
	}
}

// texts returns nil if the response lacks the list.
func (ev *evaluator) texts(e *expression) []string { return ev.textsOf(e, ev.eval(e)) }

func (ev *evaluator) textsOf(e *expression, value ref.Val) []string {
	if value == nil {
		return nil
	}
	list, ok := value.(traits.Lister)
	if !ok {
		ev.fail(e, wrongType)
		return nil
	}
	size, _ := list.Size().(types.Int)
	all := make([]string, 0, size)
	for i := range size {
		item, ok := list.Get(i).(types.String)
		if !ok {
			ev.fail(e, wrongType)
			return nil
		}
		all = append(all, string(item))
	}
	return all
}

// clock returns the time of a timestamp, Unix seconds, or a date as text.
func (ev *evaluator) clock(e *expression) time.Time { return ev.clockOf(e, ev.eval(e)) }

// clocks is like clock, for one time or a list of times. It returns nil if there are none.
func (ev *evaluator) clocks(e *expression) []time.Time {
	switch value := ev.eval(e).(type) {
	case nil:
		return nil
	case traits.Lister:
		size, _ := value.Size().(types.Int)
		all := make([]time.Time, size)
		for i := range size {
			all[i] = ev.clockOf(e, value.Get(i))
		}
		return all
	default:
		return []time.Time{ev.clockOf(e, value)}
	}
}

// names returns one text or a list of texts.
func (ev *evaluator) names(e *expression) []string {
	value := ev.eval(e)
	if name, ok := value.(types.String); ok {
		return []string{string(name)}
	}
	return ev.textsOf(e, value)
}

func (ev *evaluator) clockOf(e *expression, value ref.Val) time.Time {
	switch value := value.(type) {
	case nil:
	case types.Timestamp:
		return sessionapi.ClockTime(float64(value.UnixMilli()))
	case types.Int:
		return sessionapi.ClockTime(float64(value) * 1000)
	case types.Double:
		return sessionapi.ClockTime(float64(value) * 1000)
	case types.String:
		return sessionapi.ParseDate(string(value))
	default:
		ev.fail(e, wrongType)
	}
	return time.Time{}
}

func (ev *evaluator) holds(e *expression) bool {
	switch value := ev.eval(e).(type) {
	case nil:
	case types.Bool:
		return bool(value)
	default:
		ev.fail(e, wrongType)
	}
	return false
}
