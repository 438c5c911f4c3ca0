package hostcert

// Settle returns when nothing runs in the background.
func (i *Issuer) Settle() { i.work.Wait() }
