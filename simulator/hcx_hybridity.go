package simulator

import (
	"encoding/xml"
	"net/http"
	"time"
)

// hybridityResources are the documented requests. None of them returns or ends the current
// session.
var hybridityResources = map[string]resource{
	"/hybridity/api/sessions":     {http.MethodPost: Login},
	"/hybridity/api/cloudConfigs": {http.MethodGet: Check},
}

// hcxHybridity is the dialect of VMware HCX Manager's operations API on port 443. The response
// to a login has no body, because none is documented. Responses with 400 and 401 have none
// either; other errors, which the references do not document, are XML.
type hcxHybridity struct{ hcx }

// hybridityError is an error in XML.
type hybridityError struct {
	XMLName xml.Name `xml:"entries"`
	Texts   []string `xml:"entry>string"`
}

// hybridityCloudConfigs are the appliance's site pairings.
type hybridityCloudConfigs struct {
	Data struct {
		Items []struct{} `json:"items"`
	} `json:"data"`
}

func (hcxHybridity) credentials(op Operation, r *http.Request) credentials {
	if op != Login {
		return credentials{token: r.Header.Get(hcxToken)}
	}
	return jsonLogin(r, "password")
}

func (h hcxHybridity) response(op Operation, o outcome) httpResponse {
	switch {
	case o.verdict == malformed:
		return httpResponse{status: http.StatusBadRequest}
	case o.verdict == refused, o.verdict == noSession:
		return httpResponse{status: http.StatusUnauthorized}
	case o.verdict != accepted:
		return h.errorResponse(h.apiError(o), o.now)
	case op == Login:
		response := httpResponse{status: http.StatusOK, header: http.Header{}}
		if o.token != "" {
			response.header.Set(hcxToken, o.token)
		}
		return response
	}
	pairings := hybridityCloudConfigs{}
	pairings.Data.Items = []struct{}{}
	return jsonResponse(http.StatusOK, pairings)
}

func (hcxHybridity) errorResponse(e apiError, _ time.Time) httpResponse {
	body, err := xml.Marshal(hybridityError{Texts: []string{e.message}})
	if err != nil {
		panic(err) // impossible: it is text
	}
	return httpResponse{status: e.status, header: http.Header{"Content-Type": {"application/xml"}}, body: append([]byte(xml.Header), body...)}
}
