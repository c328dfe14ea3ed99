package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Shard is one of Count equal shares of the endpoints, for exporters that divide
// a fleet among them. Index counts from 0. The zero Shard has all of them.
type Shard struct{ Index, Count int }

// maxShards bounds how many there can be: to find an endpoint's takes a hash for
// each.
const maxShards = 1000

// ParseShard reads a shard written as i/n, with i from 0 to n-1; empty for all.
func ParseShard(text string) (Shard, error) {
	if text == "" {
		return Shard{}, nil
	}
	i, n, _ := strings.Cut(text, "/")
	index, err := strconv.ParseUint(i, 10, 16)
	count, err2 := strconv.ParseUint(n, 10, 16)
	if err != nil || err2 != nil || index >= count || count > maxShards {
		return Shard{}, errors.New("must be i/n, with n from 1 to 1000 and i from 0 to n-1, such as 0/3")
	}
	return Shard{int(index), int(count)}, nil
}

// Shard returns the configuration with the endpoints of one shard only. Their
// labels' names stay those of all, so that every shard's series have the same.
func (c *Config) Shard(s Shard) *Config {
	share := *c
	share.Share = s
	share.Endpoints = slices.DeleteFunc(slices.Clone(c.Endpoints), func(e *Endpoint) bool { return !s.has(e.Name) })
	return &share
}

// has reports whether an endpoint belongs to the shard: of all shards, it is the
// one that hashes highest together with the name (rendezvous hashing). One shard
// more takes its share from all others, and nothing else moves.
func (s Shard) has(name string) bool {
	own := s.weight(name)
	for other := range s.Count {
		weight := Shard{other, s.Count}.weight(name)
		if weight > own || weight == own && other < s.Index {
			return false
		}
	}
	return true
}

func (s Shard) weight(name string) uint64 {
	return xxhash.Sum64String(strconv.Itoa(s.Index) + "/" + name)
}
