package mask

import (
	"encoding/json"
	"net/url"
)

// BodyTexts returns the texts in the body of a request: the values of a form, the strings
// in JSON, or otherwise the whole body.
func BodyTexts(body []byte, contentType string) []string {
	if contentType == "application/x-www-form-urlencoded" {
		var texts []string
		form, _ := url.ParseQuery(string(body)) // what can be read of it
		for _, values := range form {
			texts = append(texts, values...)
		}
		return texts
	}
	var value any
	if json.Unmarshal(body, &value) != nil {
		return []string{string(body)}
	}
	return jsonTexts(nil, value)
}

func jsonTexts(texts []string, value any) []string {
	switch value := value.(type) {
	case string:
		texts = append(texts, value)
	case []any:
		for _, one := range value {
			texts = jsonTexts(texts, one)
		}
	case map[string]any:
		for _, one := range value {
			texts = jsonTexts(texts, one)
		}
	}
	return texts
}
