package strictyaml

import "strconv"

// Key is the path of a value in the file, as in `endpoints[2].module`. The empty Key is
// the whole file.
type Key string

// Field returns the key of a field of the block.
func (k Key) Field(name string) Key {
	if k == "" {
		return Key(name)
	}
	return k + "." + Key(name)
}

// Item returns the key of an item of the list. The first is 0.
func (k Key) Item(i int) Key { return k + "[" + Key(strconv.Itoa(i)) + "]" }
