package main

import "encoding/binary"

// code is a function of WebAssembly while it is written. It has no parameters and no results;
// its local variables are numbers of 32 bits.
type code []byte

// The local variables.
const (
	item   = iota // the number of what a loop is at
	record        // its address
	field         // the address in it
	stream        // where the next number is read
	value         // the last one read
	shift         // while it is read
	octet         // the same
	next          // where what follows in a list begins
	locals
)

const (
	opBlock = 0x02
	opLoop  = 0x03
	opIf    = 0x04
	opElse  = 0x05
	opBrIf  = 0x0d
	opGet   = 0x20
	opSet   = 0x21
	opTee   = 0x22
	opLoad  = 0x28
	opLoad8 = 0x2d // without its sign
	opStore = 0x36

	opEqual      = 0x46
	opLess       = 0x49 // without signs, as those below
	opAtMost     = 0x4d
	opAtLeast    = 0x4f
	opAdd        = 0x6a
	opSubtract   = 0x6b
	opMul        = 0x6c
	opAnd        = 0x71
	opOr         = 0x72
	opShiftLeft  = 0x74
	opShiftRight = 0x76

	nothing = 0x40 // what a block takes and gives
)

// body is the function as it stands in a code section.
func (c code) body() []byte {
	return append(append([]byte{1, locals, 0x7f}, c...), opEnd)
}

func (c *code) op(b ...byte) *code { *c = append(*c, b...); return c }

func (c *code) get(local byte) *code { return c.op(opGet, local) }
func (c *code) set(local byte) *code { return c.op(opSet, local) }

func (c *code) number(v int32) *code {
	*c = appendSigned(append(*c, opI32Const), v)
	return c
}

// load, load8 and store take an address from the stack and add to it.
func (c *code) load(add uint32) *code  { return c.access(opLoad, 2, add) }
func (c *code) load8(add uint32) *code { return c.access(opLoad8, 0, add) }
func (c *code) store(add uint32) *code { return c.access(opStore, 2, add) }

func (c *code) access(op, align byte, add uint32) *code {
	*c = binary.AppendUvarint(append(*c, op, align), uint64(add))
	return c
}

func (c *code) add(local byte, v int32) *code {
	return c.get(local).number(v).op(opAdd).set(local)
}

// loop repeats what body does as long as it leaves something other than 0 on the stack.
func (c *code) loop(body func()) *code {
	c.op(opLoop, nothing)
	body()
	return c.op(opBrIf, 0, opEnd)
}

// each does body for all items from 0 to n-1. Within, a branch to block 0 goes on with the next.
func (c *code) each(n int, body func()) {
	c.number(0).set(item)
	c.loop(func() {
		c.op(opBlock, nothing)
		body()
		c.op(opEnd)
		c.get(item).number(1).op(opAdd, opTee, item).number(int32(n)).op(opLess)
	})
}

// read puts the next number of the stream, an unsigned LEB128, into value.
func (c *code) read() *code {
	c.number(0).set(value).number(0).set(shift)
	return c.loop(func() {
		c.get(value).get(stream).load8(0).op(opTee, octet).number(0x7f).op(opAnd)
		c.get(shift).op(opShiftLeft, opOr).set(value)
		c.add(shift, 7).add(stream, 1)
		c.get(octet).number(0x80).op(opAtLeast)
	})
}
