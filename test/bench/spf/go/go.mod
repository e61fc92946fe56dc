module postern/test/bench/spf

go 1.25

require blitiri.com.ar/go/spf v1.6.0
