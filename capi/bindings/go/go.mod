module trustd.test/trust

go 1.19
