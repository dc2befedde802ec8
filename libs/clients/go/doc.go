// Package sheaf is a client of a Sheaf cluster: the services of the contract, and above them what takes more than one call.
//
//	client, err := sheaf.Connect("") // SHEAF_ADDRESS
//	spec, err := sheaf.ReadSpec("pipeline.yaml")
//	_, err = client.PutFolder(ctx, "logs", "master", "./logs", sheaf.PutOptions{})
//	_, err = client.Submit(ctx, spec)
//	job, err := client.WaitJob(ctx, "status-codes", "", sheaf.WatchOptions{})
//
// Every error is an [*Error]. A context that ends calls a method off: CANCELLED or DEADLINE_EXCEEDED.
package sheaf
