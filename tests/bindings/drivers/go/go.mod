module trustd.test/driver

go 1.19

require trustd.test/trust v0.0.0

replace trustd.test/trust => ../../../../capi/bindings/go
