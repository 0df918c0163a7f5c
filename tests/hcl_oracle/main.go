// The judge of the differential test in tests/it/hcl: what hashicorp/hcl itself says about files.
//
// On its standard input come files, each as a line with the number of its bytes and then the bytes. For each it answers one line of JSON: whether the
// file parses, and what stands in its `terraform` blocks, in the order of the file.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// item is a `terraform` block, or what stands in one.
type item struct {
	Is     string   `json:"is"`
	Name   string   `json:"name"`
	Labels []string `json:"labels"`
	Line   int      `json:"line"`
	Column int      `json:"column"`
	at     int
}

type answer struct {
	Parses bool   `json:"parses"`
	Why    string `json:"why"`
	Items  []item `json:"items"`
}

// place counts characters; the library's own columns count what is drawn as one.
func place(source []byte, start hcl.Range) (int, int) {
	begin := start.Start.Byte
	for begin > 0 && source[begin-1] != '\n' {
		begin--
	}
	column := utf8.RuneCount(source[begin:start.Start.Byte]) + 1
	if begin == 0 && len(source) > 2 && string(source[:3]) == "\ufeff" {
		column--
	}
	return start.Start.Line, column
}

// judge lets nothing of what the library may stumble over end the run.
func judge(source []byte) (given answer) {
	defer func() {
		if stumbled := recover(); stumbled != nil {
			given = answer{Why: fmt.Sprint("panic: ", stumbled), Items: []item{}}
		}
	}()
	file, diagnostics := hclsyntax.ParseConfig(source, "main.tf", hcl.InitialPos)
	if diagnostics.HasErrors() {
		return answer{Why: diagnostics.Error(), Items: []item{}}
	}
	all := []item{}
	add := func(is string, name string, labels []string, at hcl.Range) {
		line, column := place(source, at)
		if labels == nil {
			labels = []string{}
		}
		all = append(all, item{is, name, labels, line, column, at.Start.Byte})
	}
	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		if block.Type != "terraform" {
			continue
		}
		add("settings", block.Type, block.Labels, block.TypeRange)
		for _, inner := range block.Body.Blocks {
			add("block", inner.Type, inner.Labels, inner.TypeRange)
		}
		for _, attribute := range block.Body.Attributes {
			add("argument", attribute.Name, nil, attribute.NameRange)
		}
	}
	sort.Slice(all, func(one, other int) bool { return all[one].at < all[other].at })
	return answer{Parses: true, Items: all}
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF && line == "" {
			return
		}
		length, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		if err != nil {
			out.Flush()
			fmt.Fprintln(os.Stderr, "no length:", err)
			os.Exit(1)
		}
		source := make([]byte, length)
		if _, err := io.ReadFull(in, source); err != nil {
			out.Flush()
			fmt.Fprintln(os.Stderr, "cut short:", err)
			os.Exit(1)
		}
		answered, err := json.Marshal(judge(source))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		out.Write(answered)
		out.WriteByte('\n')
		// Whoever asks may wait for these answers before the next question.
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
}
