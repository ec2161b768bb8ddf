from flask import Flask, render_template

app = Flask(__name__)


@app.get("/catalogue")
def catalogue():
    items = [{"number": number, "name": f"Item {number} <{number * 3}>"} for number in range(1, 21)]
    return render_template("catalogue.html", title="Catalogue & more", items=items)
