package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"sheaf.local/sheaf"
	apiv1 "sheaf.local/sheaf/api/v1"
)

func main() {
	ctx := context.Background()
	client := must(sheaf.Connect("")) // SHEAF_ADDRESS; SHEAF_TOKEN and SHEAF_CA if need be
	defer client.Close()
	must(client.Repo.CreateRepo(ctx, &apiv1.CreateRepoRequest{Name: "logs"}))
	must(client.PutFolder(ctx, "logs", "master", "./logs", sheaf.PutOptions{}))
	must(client.Submit(ctx, must(sheaf.ReadSpec("pipeline.yaml"))))
	wait := sheaf.WatchOptions{Timeout: 10 * time.Minute, FirstJob: 30 * time.Second}
	fmt.Println(must(client.WaitJob(ctx, "status-codes", "", wait)).State)
	for datum, err := range client.Datums(ctx, &apiv1.ListDatumsRequest{Pipeline: "status-codes"}) {
		fmt.Println(must(datum, err).Inputs)
	}
	must(client.GetFolder(ctx, "status-codes", "master", "./out", sheaf.GetOptions{}))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
