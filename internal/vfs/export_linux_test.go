package vfs

import "golang.org/x/sys/unix"

// Deafen has the host tell of no more changes.
func (fs *FS) Deafen() {
	fs.hosts.mu.Lock()
	defer fs.hosts.mu.Unlock()
	for id := range fs.hosts.dirs {
		_, _ = unix.InotifyRmWatch(fs.hosts.fd, uint32(id))
	}
}

// Overflow is what happens when there were more changes than the host keeps.
func (fs *FS) Overflow() { fs.hosts.tell(-1, unix.IN_Q_OVERFLOW, "") }
