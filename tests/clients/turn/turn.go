// One streamed turn with Go's net/http: prints the answer's text; an error goes to standard error.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type ask struct {
	Model    string    `json:"model"`
	Stream   bool      `json:"stream"`
	Messages []message `json:"messages"`
}

type event struct {
	Choices []struct{ Delta struct{ Content string } }
}

func main() {
	body, err := json.Marshal(ask{"gpt-4o-mini", true, []message{{"user", os.Args[1]}}})
	check(err)
	reply, err := http.Post("https://api.openai.com/v1/chat/completions", "application/json", bytes.NewReader(body))
	check(err)
	defer reply.Body.Close()
	if reply.ProtoMajor != 2 {
		log.Fatalf("expected HTTP/2, got %s", reply.Proto)
	}
	if reply.StatusCode != 200 {
		text, _ := io.ReadAll(reply.Body)
		log.Fatalf("%d %s", reply.StatusCode, text)
	}
	lines := bufio.NewScanner(reply.Body)
	for lines.Scan() {
		data := strings.TrimPrefix(lines.Text(), "data: ")
		if !strings.HasPrefix(data, "{") {
			continue
		}
		var one event
		check(json.Unmarshal([]byte(data), &one))
		for _, choice := range one.Choices {
			fmt.Print(choice.Delta.Content)
		}
	}
	check(lines.Err())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
