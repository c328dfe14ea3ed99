package probe

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"session_exporter/config"
)

// scope is what expressions see of one answer.
type scope struct {
	step    Step
	answer  Answer
	body    any
	headers map[string]string // made when an expression asks for it
	// code and username are what was read of the answer, for the rules.
	code, username string
}

// Variable implements config.Variables.
func (s *scope) Variable(name string) (any, bool) {
	switch name {
	case "status":
		return int64(s.answer.Status), true
	case "ok":
		return s.answer.ok(), true
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
			s.headers = make(map[string]string, len(s.answer.Header))
			for name, values := range s.answer.Header {
				s.headers[strings.ToLower(name)] = strings.Join(values, ", ")
			}
		}
		return s.headers, true
	}
	return nil, false
}

// reader evaluates expressions on one answer. The first that fails says so in
// the reading.
type reader struct {
	scope
	reading *Reading
	misfit  bool // the body is malformed, so that expressions may fail
}

// eval returns an expression's value, nil when the answer does not say it.
func (r *reader) eval(e *config.Expression) ref.Val {
	if e == nil {
		return nil
	}
	value, err := e.Eval(&r.scope)
	switch {
	case err != nil && !errors.Is(err, config.ErrAbsent):
		r.fail(e, err.Error())
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

func (r *reader) fail(e *config.Expression, why string) {
	if !r.misfit && r.reading.State == "" {
		r.reading.State, r.reading.Why = InvalidResponse, "the API's `"+e.Name+"` "+why
	}
}

const wrongType = "has another type on this answer than it should"

func (r *reader) text(e *config.Expression) string {
	switch value := r.eval(e).(type) {
	case nil:
		return ""
	case types.String:
		return string(value)
	default:
		r.fail(e, wrongType)
		return ""
	}
}

// codeText is text, or a number as people write it.
func (r *reader) codeText(e *config.Expression) string {
	switch value := r.eval(e).(type) {
	case nil:
		return ""
	case types.String:
		return string(value)
	case types.Int:
		return strconv.FormatInt(int64(value), 10)
	case types.Double:
		return strconv.FormatFloat(float64(value), 'f', -1, 64)
	default:
		r.fail(e, wrongType)
		return ""
	}
}

// texts returns nil when the answer does not say them.
func (r *reader) texts(e *config.Expression) []string {
	value := r.eval(e)
	if value == nil {
		return nil
	}
	list, ok := value.(traits.Lister)
	if !ok {
		r.fail(e, wrongType)
		return nil
	}
	size, _ := list.Size().(types.Int)
	all := make([]string, 0, size)
	for i := range size {
		item, ok := list.Get(i).(types.String)
		if !ok {
			r.fail(e, wrongType)
			return nil
		}
		all = append(all, string(item))
	}
	return all
}

// clock is a timestamp, or Unix seconds.
func (r *reader) clock(e *config.Expression) time.Time {
	switch value := r.eval(e).(type) {
	case nil:
	case types.Timestamp:
		return unixMilli(float64(value.UnixMilli()))
	case types.Int:
		return unixMilli(float64(value) * 1000)
	case types.Double:
		return unixMilli(float64(value) * 1000)
	default:
		r.fail(e, wrongType)
	}
	return time.Time{}
}

func (r *reader) holds(e *config.Expression) bool {
	switch value := r.eval(e).(type) {
	case nil:
	case types.Bool:
		return bool(value)
	default:
		r.fail(e, wrongType)
	}
	return false
}
