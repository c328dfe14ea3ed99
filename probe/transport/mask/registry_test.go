package mask

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session_exporter/secret"
)

// A secret is masked for one day after its last use.
func TestSecretsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := new(Secrets)
		replaced, used := secret.New("replaced-1"), secret.New("in-use-22")
		set.Add(replaced, used)
		time.Sleep(20 * time.Hour)
		set.Add(used)
		check := func(want string) {
			t.Helper()
			if got := NewMasker(set).Mask("replaced-1 in-use-22"); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		time.Sleep(3*time.Hour + 59*time.Minute)
		check("<secret> <secret>")
		time.Sleep(2 * time.Minute)
		check("replaced-1 <secret>")
		set.Add(secret.New("another-3"))
		if len(set.values) != 2 {
			t.Errorf("%d secrets are kept, want 2", len(set.values))
		}
	})
}

// A set keeps the maxSecrets most recently used secrets.
func TestSecretsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := new(Secrets)
		for i := range 2 * maxSecrets {
			set.Add(secret.New("first-01"))
			set.Add(secret.New(fmt.Sprintf("secret-%d", i)))
			time.Sleep(time.Second)
		}
		if len(set.values) != maxSecrets {
			t.Errorf("%d secrets, want %d", len(set.values), maxSecrets)
		}
		want := "<secret> secret-0 <secret>"
		if got := NewMasker(set).Mask(fmt.Sprintf("first-01 secret-0 secret-%d", 2*maxSecrets-1)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// A full set keeps the secrets of the last request, whatever was added in the same second.
func TestEvictionWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := new(Secrets)
		for _, text := range []string{"first-01", "second-2"} {
			set.Add(secret.New(text))
		}
		for i := range 2 * maxSecrets {
			if i%(maxSecrets/2) == 0 {
				set.Add(secret.New("first-01"), secret.New("second-2"))
			}
			set.Add(secret.New(fmt.Sprintf("secret-%d", i)))
		}
		if got := NewMasker(set).Mask("first-01 second-2"); got != "<secret> <secret>" {
			t.Errorf("%q is shown, want both masked", got)
		}
	})
}

// Sets that were not used for a day are removed. A full registry evicts the least recently used
// set.
func TestRegistryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Registry
		r.Set("idle")
		kept := r.Set("kept")
		time.Sleep(keep)
		kept.Add(secret.New("secret-99"))
		time.Sleep(time.Minute)
		for i := range maxSets {
			if i%100 == 0 {
				kept.Add(secret.New("secret-99"))
				time.Sleep(time.Second)
			}
			r.Set(strconv.Itoa(i))
		}
		if r.Set("kept") != kept {
			t.Error("a set in use was evicted")
		}
		if _, ok := r.sets["idle"]; ok || len(r.sets) > maxSets {
			t.Errorf("%d sets, want at most %d, the idle one among them: %t", len(r.sets), maxSets, ok)
		}
	})
}

// The secrets that a header contains are also masked where they appear on their own.
func TestHeaderParts(t *testing.T) {
	for _, c := range []struct{ header, text, want string }{
		{"Token abc-123-def", "bad: abc-123-def", "bad: <secret>"},
		{"Bearer abc-123-def", "abc-123-def", "<secret>"},
		{"a=first-v4lue; b=second-v4lue", "first-v4lue, second-v4lue", "<secret>, <secret>"},
		{`Digest username="me", response="0123456789abcdef"`, "response 0123456789abcdef", "response <secret>"},
		{"Basic bWU6aHVudGVyLTIy", "me sent hunter-22", "me sent <secret>"},
		{"Basic bWU6aHVudGVyLTIy", "Basic bWU6aHVudGVyLTIy", "<secret>"},
	} {
		set := new(Secrets)
		set.AddHeader(secret.New(c.header))
		if got := NewMasker(set).Mask(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", c.header, got, c.want)
		}
	}
	if got := NewMasker(setOf("first-p4rt\tsecond-p4rt")).Mask("a second-p4rt"); got != "a <secret>" {
		t.Errorf("a part of a session: %q, want a <secret>", got)
	}
}

// The race detector checks concurrent use.
func TestSecretsAreSafeForConcurrentUse(*testing.T) {
	var r Registry
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 100 {
				set := r.Set(strconv.Itoa(j % 3))
				set.Add(secret.New(fmt.Sprintf("secret-%d-%d", i, j)))
				NewMasker(set).Mask("secret-1-1")
			}
		})
	}
	wait.Wait()
}

// BenchmarkAddKnown measures how a set records the use of two secrets that it has.
func BenchmarkAddKnown(b *testing.B) {
	for _, others := range []int{1, 48, maxSecrets - 2} {
		b.Run(strconv.Itoa(others), func(b *testing.B) { benchmarkAddKnown(b, others) })
	}
}

func benchmarkAddKnown(b *testing.B, others int) {
	b.Helper()
	password, session := secret.New("s3cret-Password"), secret.New("0123456789abcdef0123456789abcdef")
	set := new(Secrets)
	set.Add(password)
	for i := range others {
		set.Add(secret.New(fmt.Sprintf("0123456789abcdef0123456789ab%04d", i)))
	}
	set.Add(session)
	b.ReportAllocs()
	for b.Loop() {
		set.Add(password, session)
	}
}

func BenchmarkMask(b *testing.B) {
	few, many := setOf("s3cret-Password", "me:s3cret-Password"), new(Secrets)
	for i := range 48 {
		few.Add(secret.New(fmt.Sprintf("0123456789abcdef0123456789ab%04d", i)))
	}
	for i := range maxSecrets {
		many.Add(secret.New(fmt.Sprintf("%x-0123456789abcdef0123456789ab", 7919*i)))
	}
	const sentence = `{"error_code": "AUTH", "message": "Invalid username or password for user monitor@vsphere.local: \"try again\" at https:\/\/host.example.com\/api?x=1&amp;y=2"} `
	repeat := func(piece string, n int) string {
		var text []byte
		for len(text) < n {
			text = append(text, piece...)
		}
		return string(text[:n])
	}
	for _, c := range []struct {
		name string
		set  *Secrets
		text string
	}{
		{"operation ID, 50 secrets", few, "c4bc2f52-08c2-4bb1-9f5e-7ac1bd7d1b3a"},
		{"200 bytes, 50 secrets", few, repeat(sentence, 200)},
		{"200 bytes, 1024 secrets", many, repeat(sentence, 200)},
		{"2 KiB, 50 secrets", few, repeat(sentence, 2<<10)},
		{"2 KiB, 1024 secrets", many, repeat(sentence, 2<<10)},
		{"1 MiB, 1024 secrets", many, repeat(sentence, 1<<20)},
		{"1 MiB of backslashes", few, repeat(`\`, 1<<20)},
		{"1 MiB of percent signs", many, repeat(`%25`, 1<<20)},
		{"1 MiB of hex", many, repeat(`30313233`, 1<<20)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				NewMasker(c.set).Mask(c.text)
			}
		})
	}
}
