// Loads a compose file with the .env of this folder, as Docker Compose does, and prints it as JSON.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	options, err := cli.NewProjectOptions(os.Args[1:],
		cli.WithOsEnv,
		cli.WithEnvFiles(".env"),
		cli.WithDotEnv,
		cli.WithProfiles([]string{"*"}),
	)
	end(err)
	project, err := options.LoadProject(context.Background())
	end(err)
	text, err := project.MarshalJSON()
	end(err)
	fmt.Println(string(text))
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
