package probe

import (
	"path/filepath"
	"sync"
	"testing"

	"session_exporter/config"
	"session_exporter/sessionapi/custom"
)

// described is set while the tests use the definitions of the catalogue instead of the
// built-in APIs of the same names.
var described bool

// definition returns an API of the catalogue, which is compiled once.
var definition = func() func(name string) *custom.API {
	var mu sync.Mutex // guards known
	known := make(map[string]*custom.API)
	return func(name string) *custom.API {
		mu.Lock()
		defer mu.Unlock()
		if known[name] == nil {
			settings, err := config.NewLoader(filepath.Join("..", "sessionapi", "catalogue", name+".yml")).Load()
			if err != nil {
				panic(err)
			}
			known[name] = settings.APIs[name]
		}
		return known[name]
	}
}()

// TestDescribed runs these tests of the built-in `hcx` and `dr` with their definitions in
// the catalogue.
func TestDescribed(t *testing.T) {
	described = true
	defer func() { described = false }()
	for name, test := range map[string]func(*testing.T){
		"TestLateTokenIsHeld":                        TestLateTokenIsHeld,
		"TestNetworkFailures":                        TestNetworkFailures,
		"TestOAuthTokenIsReused":                     TestOAuthTokenIsReused,
		"TestOAuthTokenIsReplacedOnRefusal":          TestOAuthTokenIsReplacedOnRefusal,
		"TestOAuthFailures":                          TestOAuthFailures,
		"TestOAuthIsShared":                          TestOAuthIsShared,
		"TestDocumentedResponses":                    TestDocumentedResponses,
		"TestRequests":                               TestRequests,
		"TestBodies":                                 TestBodies,
		"TestClockSkew":                              TestClockSkew,
		"TestForeignResponses":                       TestForeignResponses,
		"TestRedirectsAreNotFollowed":                TestRedirectsAreNotFollowed,
		"TestQuotedSecretsAreMasked":                 TestQuotedSecretsAreMasked,
		"TestSecretInTransportErrorIsMasked":         TestSecretInTransportErrorIsMasked,
		"TestConnectionMaxAge":                       TestConnectionMaxAge,
		"TestSharing":                                TestSharing,
		"TestNothingLeaks":                           TestNothingLeaks,
		"TestSecretFiles":                            TestSecretFiles,
		"TestPasswordOfAnyCharacters":                TestPasswordOfAnyCharacters,
		"TestCredentialExpiries":                     TestCredentialExpiries,
		"TestHTTPHeaders":                            TestHTTPHeaders,
		"TestLateRefusalCounts":                      TestLateRefusalCounts,
		"TestLateSessionIsLoggedOut":                 TestLateSessionIsLoggedOut,
		"TestUnansweredLogin":                        TestUnansweredLogin,
		"TestNothingIsSentLate":                      TestNothingIsSentLate,
		"TestFleetWithAWrongPassword":                TestFleetWithAWrongPassword,
		"TestFleetWithOneRefusal":                    TestFleetWithOneRefusal,
		"TestHostileResponses":                       TestHostileResponses,
		"TestUpgradeEnds":                            TestUpgradeEnds,
		"TestHostileBodiesTakeLittleMemory":          TestHostileBodiesTakeLittleMemory,
		"TestLongTextsAreCut":                        TestLongTextsAreCut,
		"TestDeadTokens":                             TestDeadTokens,
		"TestLoginUnavailable":                       TestLoginUnavailable,
		"TestLoginWithoutToken":                      TestLoginWithoutToken,
		"TestTokenOfAFailedLogin":                    TestTokenOfAFailedLogin,
		"TestTokenIsNeitherRenewedNorLoggedOut":      TestTokenIsNeitherRenewedNorLoggedOut,
		"TestConnectionClosedOnUse":                  TestConnectionClosedOnUse,
		"TestBlackHoles":                             TestBlackHoles,
		"TestResolverTimeout":                        TestResolverTimeout,
		"TestErrnos":                                 TestErrnos,
		"TestRateLimitIsHonored":                     TestRateLimitIsHonored,
		"TestSessionIsHeldAndLoggedOut":              TestSessionIsHeldAndLoggedOut,
		"TestExpiredSessionIsRenewedInTheSameProbe":  TestExpiredSessionIsRenewedInTheSameProbe,
		"TestSessionMaxAge":                          TestSessionMaxAge,
		"TestChangedPassword":                        TestChangedPassword,
		"TestHeldSessionIsKeptWhenTheGuardHoldsBack": TestHeldSessionIsKeptWhenTheGuardHoldsBack,
		"TestCancellation":                           TestCancellation,
		"TestTraceOfFailure":                         TestTraceOfFailure,
		"TestTraceOfSuccess":                         TestTraceOfSuccess,
		"TestTraceOfRedirect":                        TestTraceOfRedirect,
		"TestTraceOfCutBody":                         TestTraceOfCutBody,
		"TestTraceIsBounded":                         TestTraceIsBounded,
	} {
		t.Run(name, test)
	}
}
