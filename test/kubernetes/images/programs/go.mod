module sheaf.test/images

go 1.26
