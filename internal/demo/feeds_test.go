package demo_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"stafette/internal/demo"
	"stafette/internal/feed"
)

func TestNewsAppearOneByOne(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	base, err := url.Parse(demo.Feed().URL)
	if err != nil {
		t.Fatal(err)
	}
	for days, want := range map[int]int{40: 0, 14: 1, 7: 3, 0: 4} {
		list, err := feed.Parse([]byte(demo.News(now, now.AddDate(0, 0, -days))), base)
		if err != nil || len(list) != want {
			t.Errorf("%d days ago: %d entries, %v", days, len(list), err)
		}
	}
	client := http.Client{Transport: demo.Web{Now: func() time.Time { return now }, At: func() time.Time { return now }}}
	res, err := client.Get(demo.Feed().URL)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the news: %v", err)
	}
	_ = res.Body.Close()
	if res, err := client.Get("https://elsewhere.example/"); err == nil {
		_ = res.Body.Close()
		t.Error("there is more in the demo")
	}
}
