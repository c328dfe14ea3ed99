package probe

import (
	"path/filepath"
	"sync"
	"testing"

	"session_exporter/config"
)

// described is set while the tests run with the definitions of docs/apis in the
// place of the built-in APIs of the same names.
var described bool

// definition returns an API of docs/apis.
var definition = func() func(name string) *config.Definition {
	var mu sync.Mutex // guards known
	known := make(map[string]*config.Definition)
	return func(name string) *config.Definition {
		mu.Lock()
		defer mu.Unlock()
		if known[name] == nil {
			settings, err := config.Load(filepath.Join("..", "docs", "apis", name+".yml"), APIs())
			if err != nil {
				panic(err)
			}
			known[name] = settings.APIs[name]
		}
		return known[name]
	}
}()

// TestDescribed holds `hcx` and `dr` as the configuration can describe them to
// all that the built-in ones are held to.
func TestDescribed(t *testing.T) {
	described = true
	defer func() { described = false }()
	for name, test := range map[string]func(*testing.T){
		"TestLateTokenIsHeld":                        TestLateTokenIsHeld,
		"TestNetworkFailures":                        TestNetworkFailures,
		"TestOAuthTokenIsReused":                     TestOAuthTokenIsReused,
		"TestOAuthTokenIsRefreshedOnRefusal":         TestOAuthTokenIsRefreshedOnRefusal,
		"TestOAuthFailures":                          TestOAuthFailures,
		"TestOAuthIsShared":                          TestOAuthIsShared,
		"TestDocumentedAnswers":                      TestDocumentedAnswers,
		"TestRequests":                               TestRequests,
		"TestBodies":                                 TestBodies,
		"TestClockSkew":                              TestClockSkew,
		"TestForeignAnswers":                         TestForeignAnswers,
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
		"TestFleetWithOneThatRefuses":                TestFleetWithOneThatRefuses,
		"TestGuardOneAtATime":                        TestGuardOneAtATime,
		"TestHostileAnswers":                         TestHostileAnswers,
		"TestUpgradeEnds":                            TestUpgradeEnds,
		"TestHostileBodiesTakeNoMemory":              TestHostileBodiesTakeNoMemory,
		"TestLongTextsAreCut":                        TestLongTextsAreCut,
		"TestDeadTokens":                             TestDeadTokens,
		"TestLoginUnavailable":                       TestLoginUnavailable,
		"TestLoginWithoutToken":                      TestLoginWithoutToken,
		"TestTokenOfAFailedLogin":                    TestTokenOfAFailedLogin,
		"TestForeignTokens":                          TestForeignTokens,
		"TestConnectionClosedWhileIdle":              TestConnectionClosedWhileIdle,
		"TestBlackHoles":                             TestBlackHoles,
		"TestResolverTimeout":                        TestResolverTimeout,
		"TestErrnos":                                 TestErrnos,
		"TestRateLimitIsHonoured":                    TestRateLimitIsHonoured,
		"TestSessionIsHeldAndLoggedOut":              TestSessionIsHeldAndLoggedOut,
		"TestExpiredSessionIsRenewedInTheSameProbe":  TestExpiredSessionIsRenewedInTheSameProbe,
		"TestSessionMaxAge":                          TestSessionMaxAge,
		"TestChangedPassword":                        TestChangedPassword,
		"TestHeldSessionIsKeptWhenTheGuardWithholds": TestHeldSessionIsKeptWhenTheGuardWithholds,
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
