package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the CPU time of a process, all threads included, exact to the nanosecond:
// the clock that clock_getcpuclockid(3) returns. Times in /proc are multiples of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	const ofScheduler = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|ofScheduler), &t); err != nil {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// memoryOf returns the resident memory of a process in MiB.
func memoryOf(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm of process %d is %q", pid, text)
	}
	pages, err := strconv.Atoi(fields[1])
	return float64(pages*os.Getpagesize()) / (1 << 20), err
}

// watchMemory returns the mean resident memory of a process, with a sample a second, until
// ctx is done.
func watchMemory(ctx context.Context, pid int) (float64, error) {
	sum := 0.0
	for n := 1.0; ; n++ {
		mib, err := memoryOf(pid)
		if err != nil {
			return 0, err
		}
		sum += mib
		select {
		case <-ctx.Done():
			return sum / n, nil
		case <-time.After(time.Second):
		}
	}
}

// leaveProcessor moves this program to all processors but the first, which the exporter
// gets. Children inherit that, except those that taskset starts elsewhere.
func leaveProcessor() error {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return err
	}
	if !allowed.IsSet(0) {
		return nil
	}
	allowed.Clear(0)
	if allowed.Count() == 0 {
		return fmt.Errorf("a comparison needs two processors")
	}
	var others []string
	for i := range len(allowed) * 64 {
		if allowed.IsSet(i) {
			others = append(others, strconv.Itoa(i))
		}
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(taskset, append([]string{"taskset", "-c", strings.Join(others, ","), self}, os.Args[1:]...), os.Environ()) //nolint:gosec // it is this program
}
