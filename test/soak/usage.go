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

// cpuTime returns the CPU time of a process, all threads included. It reads the clock of
// clock_getcpuclockid(3), because the times in /proc are multiples of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	const cpuclockSched = 2 // CPUCLOCK_SCHED in the kernel's posix-timers.h
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuclockSched), &t); err != nil {
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

// watchMemory samples the resident memory of a process once a second until ctx is done, and
// returns the mean in MiB.
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

// leaveProcessor restarts this program on all processors but the first, which is for the
// exporter. Child processes inherit this, unless taskset starts them elsewhere.
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
