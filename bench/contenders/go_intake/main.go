// The course's architecture: net/http, and one Publish of aws-sdk-go-v2 in every request.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

type item struct {
	ProductID string `json:"product_id"`
	Quantity  int    `json:"quantity"`
}

type order struct {
	OrderID    string    `json:"order_id"`
	CustomerID int       `json:"customer_id"`
	Status     string    `json:"status"`
	Items      []item    `json:"items"`
	CreatedAt  time.Time `json:"created_at"`
}

func main() {
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 512
	client := sns.New(sns.Options{
		Region:           os.Getenv("AWS_REGION"),
		Credentials:      credentials.NewStaticCredentialsProvider("bench", "bench", ""),
		EndpointResolver: sns.EndpointResolverFromURL(endpoint),
		HTTPClient:       &http.Client{Transport: transport},
	})
	topic := os.Getenv("ORDERS_TOPIC_ARN")
	http.HandleFunc("/orders/async", func(w http.ResponseWriter, r *http.Request) {
		var asked order
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || len(asked.Items) == 0 {
			http.Error(w, "bad order", http.StatusBadRequest)
			return
		}
		id := make([]byte, 16)
		rand.Read(id)
		asked.OrderID, asked.Status, asked.CreatedAt = hex.EncodeToString(id), "pending", time.Now()
		message, _ := json.Marshal(asked)
		if _, err := client.Publish(context.Background(), &sns.PublishInput{
			TopicArn: aws.String(topic), Message: aws.String(string(message)),
		}); err != nil {
			http.Error(w, "not accepted", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		json.NewEncoder(w).Encode(map[string]string{"order_id": asked.OrderID, "status": "pending"})
	})
	http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil)
}
