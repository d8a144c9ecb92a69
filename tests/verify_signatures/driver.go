// As driver.py.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), " ")
		secret, _ := hex.DecodeString(fields[0])
		header, _ := hex.DecodeString(fields[1])
		body, _ := hex.DecodeString(fields[2])
		now, _ := strconv.ParseInt(fields[3], 10, 64)
		fmt.Println(IsSigned(string(header), body, string(secret), 300*time.Second, time.Unix(now, 0)))
	}
}
