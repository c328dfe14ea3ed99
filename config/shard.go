package config

import (
	"errors"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Shard is one of Count equal shares of the endpoints, for exporters that divide a
// fleet among them. Index counts from 0. The zero Shard has all endpoints.
type Shard struct{ Index, Count int }

// maxShards limits the number of shards: finding the shard of an endpoint takes a hash
// for each.
const maxShards = 1000

// ParseShard parses a shard written as i/n, with i from 0 to n-1; empty means all.
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

// has reports whether an endpoint belongs to the shard: among all shards, the hash of this
// one's index and the name is the highest (rendezvous hashing). An additional shard takes
// its share from all others, and nothing else moves.
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
