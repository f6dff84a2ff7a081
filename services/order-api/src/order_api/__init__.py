"""The shop's HTTP intake: validate, price, publish, answer 202; or settle in the request."""
