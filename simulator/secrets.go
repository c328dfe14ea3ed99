package simulator

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// publishSecret writes the member's secret to its file atomically.
func publishSecret(m *Member) error {
	// CreateTemp creates files that only their owner can read.
	temporary, err := os.CreateTemp(filepath.Dir(m.file), ".secret-*")
	if err != nil {
		return fmt.Errorf("publishing a secret: %w", err)
	}
	_, err = temporary.WriteString(m.secret + "\n")
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), m.file)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
		return fmt.Errorf("publishing a secret: %w", err)
	}
	return nil
}

// goodPassword and the functions below, up to unknownToken, are values of memberSpec.secret.
func goodPassword(a *Appliance) string {
	password := rand.Text()
	setPassword(a, password)
	return password
}

func wrongPassword(a *Appliance) string {
	setPassword(a, rand.Text())
	return rand.Text()
}

func lastSlotTaken(a *Appliance) string {
	a.Issue(user)
	return goodPassword(a)
}

func bearerToken(a *Appliance) string {
	token := rand.Text()
	a.Change(func(s *Settings) { s.Bearers[token] = user })
	return token
}

func sessionToken(a *Appliance) string { return a.Issue(user) }

func unknownToken(*Appliance) string { return rand.Text() }

func setPassword(a *Appliance, password string) {
	a.Change(func(s *Settings) {
		account := s.Accounts[user]
		account.Password = password
		s.Accounts[user] = account
	})
}
