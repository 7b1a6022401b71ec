// Pages that are opened from a disk may start no worker, and the search is one. There, its script runs in an empty frame.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.appendChild(this.frame)
      const inside = this.frame.contentWindow
      // What a worker says to the page.
      inside.postMessage = data => setTimeout(() => this.onmessage && this.onmessage({ data: structuredClone(data) }))
      this.ready = new Promise((done, failed) => {
        const script = inside.document.createElement("script")
        script.onload = done
        script.onerror = failed
        script.src = new URL(url, document.baseURI)
        inside.document.body.appendChild(script)
      })
      this.ready.catch(error => this.onerror && this.onerror(error))
    }
    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.onmessage({ data: structuredClone(data) }), () => {})
    }
    terminate() {
      this.frame.remove()
    }
  }
}
