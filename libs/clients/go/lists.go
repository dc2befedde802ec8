package sheaf

import (
	"context"
	"iter"

	apiv1 "sheaf.local/sheaf/api/v1"
)

const pageSize = 1_000

// Lists give row by row, whatever the number of pages; a request's Page is set by them. Breaking out of a loop asks for no more.

func (c *Client) Repos(ctx context.Context, request *apiv1.ListReposRequest) iter.Seq2[*apiv1.Repo, error] {
	return rows(func(page *apiv1.Page) ([]*apiv1.Repo, string, error) {
		asked := clone(request)
		asked.Page = page
		answer, err := c.Repo.ListRepos(ctx, asked)
		return answer.GetRepos(), answer.GetNextPageToken(), err
	})
}

func (c *Client) Commits(ctx context.Context, request *apiv1.ListCommitsRequest) iter.Seq2[*apiv1.Commit, error] {
	return rows(func(page *apiv1.Page) ([]*apiv1.Commit, string, error) {
		asked := clone(request)
		asked.Page = page
		answer, err := c.Repo.ListCommits(ctx, asked)
		return answer.GetCommits(), answer.GetNextPageToken(), err
	})
}

// Files gives what a folder holds.
func (c *Client) Files(ctx context.Context, request *apiv1.ListFilesRequest) iter.Seq2[*apiv1.File, error] {
	return rows(func(page *apiv1.Page) ([]*apiv1.File, string, error) {
		asked := clone(request)
		asked.Page = page
		answer, err := c.File.ListFiles(ctx, asked)
		return answer.GetFiles(), answer.GetNextPageToken(), err
	})
}

// GlobFiles gives what a glob matches: the paths that would be datums.
func (c *Client) GlobFiles(ctx context.Context, request *apiv1.GlobFilesRequest) iter.Seq2[*apiv1.File, error] {
	return rows(func(page *apiv1.Page) ([]*apiv1.File, string, error) {
		asked := clone(request)
		asked.Page = page
		answer, err := c.File.GlobFiles(ctx, asked)
		return answer.GetFiles(), answer.GetNextPageToken(), err
	})
}

func (c *Client) Pipelines(ctx context.Context, request *apiv1.ListPipelinesRequest) iter.Seq2[*apiv1.Pipeline, error] {
	return rows(func(page *apiv1.Page) ([]*apiv1.Pipeline, string, error) {
		asked := clone(request)
		asked.Page = page
		answer, err := c.Pipeline.ListPipelines(ctx, asked)
		return answer.GetPipelines(), answer.GetNextPageToken(), err
	})
}

func (c *Client) Jobs(ctx context.Context, request *apiv1.ListJobsRequest) iter.Seq2[*apiv1.Job, error] {
	return rows(func(page *apiv1.Page) ([]*apiv1.Job, string, error) {
		asked := clone(request)
		asked.Page = page
		answer, err := c.Job.ListJobs(ctx, asked)
		return answer.GetJobs(), answer.GetNextPageToken(), err
	})
}

func (c *Client) Datums(ctx context.Context, request *apiv1.ListDatumsRequest) iter.Seq2[*apiv1.Datum, error] {
	return rows(func(page *apiv1.Page) ([]*apiv1.Datum, string, error) {
		asked := clone(request)
		asked.Page = page
		answer, err := c.Datum.ListDatums(ctx, asked)
		return answer.GetDatums(), answer.GetNextPageToken(), err
	})
}

func (c *Client) Workers(ctx context.Context, request *apiv1.ListWorkersRequest) iter.Seq2[*apiv1.Worker, error] {
	return rows(func(page *apiv1.Page) ([]*apiv1.Worker, string, error) {
		asked := clone(request)
		asked.Page = page
		answer, err := c.Cluster.ListWorkers(ctx, asked)
		return answer.GetWorkers(), answer.GetNextPageToken(), err
	})
}

// Logs gives lines that commands wrote, as far as their datums are committed.
func (c *Client) Logs(ctx context.Context, request *apiv1.GetLogsRequest) iter.Seq2[*apiv1.JobLogLine, error] {
	return func(yield func(*apiv1.JobLogLine, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if isOver, err := c.linesOf(ctx, clone(request), yield, func() {}); !isOver {
			yield(nil, err)
		}
	}
}

func rows[Row any](page func(*apiv1.Page) ([]Row, string, error)) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for token := ""; ; {
			found, next, err := page(&apiv1.Page{Size: pageSize, Token: token})
			if err != nil {
				var none Row
				yield(none, err)
				return
			}
			for _, row := range found {
				if !yield(row, nil) {
					return
				}
			}
			if token = next; token == "" {
				return
			}
		}
	}
}
