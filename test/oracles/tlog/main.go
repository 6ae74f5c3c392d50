// Verifies a running Portcullis with what Go's checksum database is verified with (golang.org/x/mod/sumdb): signed
// notes, record hashes, inclusion and consistency proofs. Shares no code and no author with the product.
//
// Usage: ORACLE_TOKEN=<api key> tlog-oracle <origin of the server> <organization id> [file with an earlier checkpoint]
// Prints the checkpoint it has verified on standard output; says what fails, and exits with 1.
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var (
	origin = os.Args[1]
	org    = os.Args[2]
	client = http.Client{Timeout: 20 * time.Second}
)

type checkpoint struct {
	size int64
	root tlog.Hash
}

func main() {
	verifiers := readKeys()
	raw := get("/api/v1/orgs/" + org + "/audit/checkpoint")
	head := open(raw, verifiers)
	leaves := readLeaves(head.size)

	stored := storedHashes(leaves)
	for n := int64(1); n < 40 && n <= head.size; n++ {
		treeHash(n, stored) // every small size must at least be computable
	}
	if root := treeHash(head.size, stored); root != head.root {
		fail("the root of %d events is %v, the checkpoint says %v", head.size, root, head.root)
	}

	checked, refused := 0, 0
	for _, size := range sizesUpTo(head.size) {
		root := treeHash(size, stored)
		for _, pos := range sizesUpTo(size) {
			proof := tlog.RecordProof(hashes(fmt.Sprintf("proofs/inclusion?pos=%d&size=%d", pos, size)))
			if err := tlog.CheckRecord(proof, size, root, pos-1, leaves[pos-1]); err != nil {
				fail("inclusion of %d in %d: %v", pos, size, err)
			}
			checked++
			for i := range proof {
				if tlog.CheckRecord(spoilt(proof, i), size, root, pos-1, leaves[pos-1]) == nil {
					fail("inclusion of %d in %d: hash %d of the proof does not matter", pos, size, i)
				}
				refused++
			}
			tree := tlog.TreeProof(hashes(fmt.Sprintf("proofs/consistency?from=%d&to=%d", pos, size)))
			if err := tlog.CheckTree(tree, size, root, pos, treeHash(pos, stored)); err != nil {
				fail("consistency of %d with %d: %v", size, pos, err)
			}
			checked++
		}
	}

	if len(os.Args) > 3 {
		earlier, err := os.ReadFile(os.Args[3])
		if err != nil {
			fail("%v", err)
		}
		old := open(earlier, verifiers)
		proof := tlog.TreeProof(hashes(fmt.Sprintf("proofs/consistency?from=%d&to=%d", old.size, head.size)))
		if err := tlog.CheckTree(proof, head.size, head.root, old.size, old.root); err != nil {
			fail("the checkpoint of %d does not continue that of %d: %v", head.size, old.size, err)
		}
		checked++
	}
	fmt.Fprintf(os.Stderr, "%d events, %d proofs verified, %d spoilt ones refused\n", head.size, checked, refused)
	os.Stdout.Write(raw)
}

func readKeys() note.Verifiers {
	var list []note.Verifier
	for _, line := range strings.Fields(string(get("/.well-known/audit-keys"))) {
		verifier, err := note.NewVerifier(line)
		if err != nil {
			fail("%s: %v", line, err)
		}
		list = append(list, verifier)
	}
	return note.VerifierList(list...)
}

// open verifies the note and reads its text as a checkpoint (c2sp.org/tlog-checkpoint).
func open(raw []byte, verifiers note.Verifiers) checkpoint {
	opened, err := note.Open(raw, verifiers)
	if err != nil {
		fail("the note does not verify: %v\n%s", err, raw)
	}
	spoiltNote := bytes.Replace(raw, []byte("/orgs/"), []byte("/Orgs/"), 1)
	if _, err := note.Open(spoiltNote, verifiers); err == nil {
		fail("a note with another origin verifies too")
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || !strings.HasSuffix(lines[0], "/orgs/"+org+"/audit") {
		fail("the note is no checkpoint of this log: %q", opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		fail("%v", err)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		fail("%v", err)
	}
	return checkpoint{size, root}
}

var afterLeaf = regexp.MustCompile(`,"pos":(\d+),"leafHash":"([0-9a-f]{64})","prevHash":"[0-9a-f]{64}","personal":.*}$`)

// readLeaves reads the export and hashes what stands in it.
func readLeaves(size int64) []tlog.Hash {
	var leaves []tlog.Hash
	for int64(len(leaves)) < size {
		limit := min(size-int64(len(leaves)), 10000)
		page := get(fmt.Sprintf("/api/v1/orgs/%s/audit/export?after=%d&limit=%d", org, len(leaves), limit))
		for _, line := range bytes.Split(bytes.TrimRight(page, "\n"), []byte("\n")) {
			at := afterLeaf.FindSubmatchIndex(line)
			if at == nil {
				fail("not a native event: %s", line)
			}
			leaf := tlog.RecordHash(append(bytes.Clone(line[:at[0]]), '}'))
			if string(line[at[2]:at[3]]) != strconv.Itoa(len(leaves)+1) {
				fail("position %s stands where %d is due", line[at[2]:at[3]], len(leaves)+1)
			}
			if hex.EncodeToString(leaf[:]) != string(line[at[4]:at[5]]) {
				fail("position %d has not the hash it says", len(leaves)+1)
			}
			leaves = append(leaves, leaf)
		}
	}
	return leaves
}

func storedHashes(leaves []tlog.Hash) tlog.HashReaderFunc {
	var all []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			out[i] = all[index]
		}
		return out, nil
	})
	for n, leaf := range leaves {
		added, err := tlog.StoredHashesForRecordHash(int64(n), leaf, reader)
		if err != nil {
			fail("%v", err)
		}
		all = append(all, added...)
	}
	return reader
}

func treeHash(n int64, stored tlog.HashReaderFunc) tlog.Hash {
	root, err := tlog.TreeHash(n, stored)
	if err != nil {
		fail("%v", err)
	}
	return root
}

// sizesUpTo gives the corners: small ones, powers of two and tiles with their neighbours, and the size itself.
func sizesUpTo(size int64) []int64 {
	var sizes []int64
	for _, n := range []int64{1, 2, 3, 5, 8, 255, 256, 257, 511, 512, 1025, 2047, 4096, size - 1, size} {
		if n >= 1 && n <= size && (len(sizes) == 0 || n > sizes[len(sizes)-1]) {
			sizes = append(sizes, n)
		}
	}
	return sizes
}

func spoilt(proof tlog.RecordProof, i int) tlog.RecordProof {
	other := append(tlog.RecordProof{}, proof...)
	other[i][0] ^= 1
	return other
}

func hashes(path string) []tlog.Hash {
	var answer struct{ Hashes []string }
	if err := json.Unmarshal(get("/api/v1/orgs/"+org+"/audit/"+path), &answer); err != nil {
		fail("%s: %v", path, err)
	}
	var proof []tlog.Hash
	for _, text := range answer.Hashes {
		var hash tlog.Hash
		if n, err := hex.Decode(hash[:], []byte(text)); err != nil || n != tlog.HashSize {
			fail("%s: %q is no hash", path, text)
		}
		proof = append(proof, hash)
	}
	return proof
}

func get(path string) []byte {
	request, err := http.NewRequest("GET", origin+path, nil)
	if err != nil {
		fail("%v", err)
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("ORACLE_TOKEN"))
	response, err := client.Do(request)
	if err != nil {
		fail("%v", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		fail("%s: %s %v %s", path, response.Status, err, body)
	}
	return body
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}
