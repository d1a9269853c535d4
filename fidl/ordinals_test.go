package fidl_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/io1"
	"go.fuchsia.dev/fidl-go/fuchsia/ldsvc"
	"go.fuchsia.dev/fidl-go/fuchsia/logger"
	"go.fuchsia.dev/fidl-go/fuchsia/process"
)

// Programs of the SDK send these ordinals: they are in its libraries as
// immediate operands. The numbers were read from there.
var witnessed = []struct {
	name string
	ours uint64
	want uint64
	file string
}{
	{"Loader.Done", ldsvc.LoaderDoneOrdinal, 0x63ba6b76d3671001, "ld.so.1"},
	{"Loader.LoadObject", ldsvc.LoaderLoadObjectOrdinal, 0x48c5a151d6df2853, "ld.so.1"},
	{"Loader.Config", ldsvc.LoaderConfigOrdinal, 0x6a8a1a1464632841, "ld.so.1"},
	{"Loader.Clone", ldsvc.LoaderCloneOrdinal, 0x57e643a9ab6e4c29, "ld.so.1"},
	{"Launcher.Launch", process.LauncherLaunchOrdinal, 0x11335a9928afbfa4, "libfdio.so"},
	{"Launcher.AddArgs", process.LauncherAddArgsOrdinal, 0x3be445d3e4fd6512, "libfdio.so"},
	{"Launcher.AddEnvirons", process.LauncherAddEnvironsOrdinal, 0x73a3c97fa7fe1779, "libfdio.so"},
	{"Launcher.AddNames", process.LauncherAddNamesOrdinal, 0x2579ee2c7be28662, "libfdio.so"},
	{"Launcher.AddHandles", process.LauncherAddHandlesOrdinal, 0x51025267a537a615, "libfdio.so"},
	{"Node.Clone", io1.NodeCloneOrdinal, 0x5a61678f293ce16f, "libfdio.so"},
	{"Node.Close", io1.NodeCloseOrdinal, 0x5309c5bd1c33dc44, "libfdio.so"},
	{"Node.Describe", io1.NodeDescribeOrdinal, 0xffcec215078dea0, "libfdio.so"},
	{"Node.OnOpen", io1.NodeOnOpenOrdinal, 0x7fc7bbb1dbfd1972, "libfdio.so"},
	{"Node.Sync", io1.NodeSyncOrdinal, 0x189d88326c18b519, "libfdio.so"},
	{"Node.GetAttr", io1.NodeGetAttrOrdinal, 0x78985e216314dafd, "libfdio.so"},
	{"Node.SetAttr", io1.NodeSetAttrOrdinal, 0x4186c0f40d938f46, "libfdio.so"},
	{"File.Read", io1.FileReadOrdinal, 0x29b2b7074c95208c, "libfdio.so"},
	{"File.ReadAt", io1.FileReadAtOrdinal, 0x6527ee3fbc9c5749, "libfdio.so"},
	{"File.Write", io1.FileWriteOrdinal, 0x3b6432f57914225b, "libfdio.so"},
	{"File.WriteAt", io1.FileWriteAtOrdinal, 0x4b29e1582ab379e4, "libfdio.so"},
	{"File.Seek", io1.FileSeekOrdinal, 0x324968e9b8a0e394, "libfdio.so"},
	{"File.Truncate", io1.FileTruncateOrdinal, 0x5ec8f337359a2ddb, "libfdio.so"},
	{"File.GetFlags", io1.FileGetFlagsOrdinal, 0x200be82ca523ab96, "libfdio.so"},
	{"File.SetFlags", io1.FileSetFlagsOrdinal, 0x713f375258671141, "libfdio.so"},
	{"File.GetBuffer", io1.FileGetBufferOrdinal, 0x4b93b8486666d951, "libfdio.so"},
	{"Directory.Open", io1.DirectoryOpenOrdinal, 0x2c5044561d685ec0, "libfdio.so"},
	{"Directory.Unlink", io1.DirectoryUnlinkOrdinal, 0x5a0ff90760a8bc23, "libfdio.so"},
	{"Directory.ReadDirents", io1.DirectoryReadDirentsOrdinal, 0x3582806bf27faa0a, "libfdio.so"},
	{"Directory.Rewind", io1.DirectoryRewindOrdinal, 0x16b1202af0f34c71, "libfdio.so"},
	{"Directory.GetToken", io1.DirectoryGetTokenOrdinal, 0x26ae9d18763c8655, "libfdio.so"},
	{"Directory.Rename", io1.DirectoryRenameOrdinal, 0xa8e00a247f3c905, "libfdio.so"},
	{"Directory.Link", io1.DirectoryLinkOrdinal, 0x740604c0c7c930e7, "libfdio.so"},
	{"Directory.Watch", io1.DirectoryWatchOrdinal, 0x5717193a59d66d91, "libfdio.so"},
	{"LogSink.Connect", logger.LogSinkConnectOrdinal, 0x64cc4b58ae95c61b, "libsyslog.so"},
}

func TestOrdinals(t *testing.T) {
	for _, w := range witnessed {
		if w.ours != w.want {
			t.Errorf("%s is %#x, want %#x", w.name, w.ours, w.want)
		}
	}
}

// The real libraries are the witnesses.
func TestOrdinalsInSDK(t *testing.T) {
	sdk := os.Getenv("FUCHSIA_SDK")
	if sdk == "" {
		t.Skip("FUCHSIA_SDK is not set")
	}
	files := map[string][]byte{}
	for name, dir := range map[string]string{"ld.so.1": "sysroot/dist/lib", "libfdio.so": "dist", "libsyslog.so": "dist"} {
		b, err := os.ReadFile(filepath.Join(sdk, "arch/x64", dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b
	}
	for _, w := range witnessed {
		if !bytes.Contains(files[w.file], binary.LittleEndian.AppendUint64(nil, w.ours)) {
			t.Errorf("%s does not use %s, %#x", w.file, w.name, w.ours)
		}
	}
}

// Methods that both eras have, have one ordinal.
func TestOrdinalsOfBothEras(t *testing.T) {
	for name, o := range map[string][2]uint64{
		"Clone":       {io1.NodeCloneOrdinal, io.NodeDeprecatedCloneOrdinal},
		"OnOpen":      {io1.NodeOnOpenOrdinal, io.NodeOnOpenOrdinal},
		"GetAttr":     {io1.NodeGetAttrOrdinal, io.NodeDeprecatedGetAttrOrdinal},
		"Open":        {io1.DirectoryOpenOrdinal, io.DirectoryDeprecatedOpenOrdinal},
		"ReadDirents": {io1.DirectoryReadDirentsOrdinal, io.DirectoryReadDirentsOrdinal},
		"Rewind":      {io1.DirectoryRewindOrdinal, io.DirectoryRewindOrdinal},
		"GetToken":    {io1.DirectoryGetTokenOrdinal, io.DirectoryGetTokenOrdinal},
		"Link":        {io1.DirectoryLinkOrdinal, io.DirectoryLinkOrdinal},
		"Watch":       {io1.DirectoryWatchOrdinal, io.DirectoryWatchOrdinal},
	} {
		if o[0] != o[1] {
			t.Errorf("%s: %#x and %#x", name, o[0], o[1])
		}
	}
	if io1.NodeCloseOrdinal == io.NodeCloseOrdinal {
		t.Error("Close changed its ordinal")
	}
}
